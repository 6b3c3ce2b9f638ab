// Writes lines to a file. When a full disk cuts a line, the next line still begins on a line of its own.
import { writeSync } from 'node:fs';

export class LineWriter {
  /** Whether the last line was cut. The next write then begins with a line break. */
  #cut = false;

  /**
   * Writes `text`, which must be whole lines, to the file `fd`. Throws the system's error, such as ENOSPC, if not
   * everything was written.
   */
  write(fd: number, text: string): void {
    let rest = Buffer.from(this.#cut ? `\n${text}` : text);
    while (rest.length > 0) {
      rest = rest.subarray(writeSync(fd, rest));
      this.#cut = rest.length > 0;
    }
  }
}
