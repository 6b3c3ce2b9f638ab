// Lines into a file, where a disk that is full may cut one short: what comes next is not glued to it.
import { writeSync } from 'node:fs';

export class LineWriter {
  /** The last line has no end: the next one begins with it. */
  #cut = false;

  /** Writes `text`, whole lines, to the file `fd`. Throws the system's error when it cannot all be written, such as ENOSPC. */
  write(fd: number, text: string): void {
    let rest = Buffer.from(this.#cut ? `\n${text}` : text);
    while (rest.length > 0) {
      rest = rest.subarray(writeSync(fd, rest));
      this.#cut = rest.length > 0;
    }
  }
}
