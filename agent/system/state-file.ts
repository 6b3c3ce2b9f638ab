// Keeps a file in line with a value in memory: one write at a time, and a failed write is tried again.
import { isDeepStrictEqual } from 'node:util';

export interface StateFileOptions<T> {
  /** The value until the file was read, and where there is none. */
  initial: T;
  /** Reads the file; returns `initial` where there is none. */
  read(): Promise<T>;
  write(value: T): Promise<void>;
  /** The file could not be read. The value stays `initial`. */
  onReadError(error: unknown): void;
  /** `value` could not be written; `isRepeated` when the attempt before failed too. */
  onWriteError(error: unknown, value: T, isRepeated: boolean): void;
  /** Compares two values; deep equality by default. */
  isSame?: (a: T, b: T) => boolean;
}

export class StateFile<T> {
  readonly #options: StateFileOptions<T>;
  readonly #isSame: (a: T, b: T) => boolean;
  #value: T;
  /** What the file holds, as far as is known. */
  #stored: T;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(options: StateFileOptions<T>) {
    this.#options = options;
    this.#isSame = options.isSame ?? isDeepStrictEqual;
    this.#value = this.#stored = options.initial;
  }

  /** The newest value, whether the file holds it or not. */
  get value(): T {
    return this.#value;
  }

  /** Reads the file and returns its value. Never rejects. */
  async load(): Promise<T> {
    try {
      this.#value = this.#stored = await this.#options.read();
    } catch (error) {
      this.#options.onReadError(error);
    }
    return this.#value;
  }

  /** Takes another value. Resolves when the file holds the newest value or it could not be written. Never rejects. */
  set(value: T): Promise<void> {
    this.#value = value;
    return this.sync();
  }

  /** Writes the value unless the file holds it. Resolves as `set` does. */
  sync(): Promise<void> {
    if (!this.#writing && !this.#isSame(this.#value, this.#stored)) this.#writing = this.#write();
    return this.#writing ?? Promise.resolve();
  }

  async #write(): Promise<void> {
    try {
      do {
        const value = this.#value;
        try {
          await this.#options.write(value);
          this.#stored = value;
          this.#hasFailed = false;
        } catch (error) {
          this.#options.onWriteError(error, value, this.#hasFailed);
          this.#hasFailed = true;
          // Only a value that was set meanwhile is tried at once: the failed one waits for the next call.
          if (this.#value === value) return;
        }
      } while (!this.#isSame(this.#value, this.#stored));
    } finally {
      this.#writing = undefined;
    }
  }
}
