// Reads a file of the kernel again and again. It stays open, because opening it each time costs as much as the reading.
import { closeSync, openSync, readSync } from 'node:fs';

/** No file of the kernel is larger. */
const maxBytes = 8 * 1024 * 1024;
/** The files that are read have less on most machines. */
const firstBytes = 16 * 1024;

export class KeptFile {
  readonly #path: string;
  #file: number | undefined;
  // Where the native probe reads the figures, no file is ever opened.
  #buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Returns the whole text, in Latin-1; undefined when the file is not there. It is opened at the first time, and again when
   * reading fails: a file of /proc in a container is gone when the daemon that serves it ends.
   */
  read(): string | undefined {
    const text = this.#readOpen();
    if (text !== undefined) return text;
    this.#openAgain();
    return this.#readOpen();
  }

  #openAgain(): void {
    const before = this.#file;
    this.#file = undefined;
    try {
      if (before !== undefined) closeSync(before);
      this.#file = openSync(this.#path, 'r');
      if (this.#buffer.length === 0) this.#buffer = Buffer.allocUnsafeSlow(firstBytes);
    } catch {
      // It is not there now, and may be at the next reading.
    }
  }

  // One reading returns the whole file if the buffer is larger than the file.
  #readOpen(): string | undefined {
    if (this.#file === undefined) return undefined;
    try {
      for (;;) {
        const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
        if (length === 0) return undefined;
        if (length < this.#buffer.length || length >= maxBytes)
          return this.#buffer.toString('latin1', 0, length);
        this.#buffer = Buffer.allocUnsafeSlow(this.#buffer.length * 2);
      }
    } catch {
      return undefined;
    }
  }
}
