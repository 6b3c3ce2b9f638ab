// Writes a value in memory to a file after each change: one write at a time, and a failed write is repeated.
import { isDeepStrictEqual } from 'node:util';

export interface StateFileOptions<T> {
  /** The value until the file was read, and when there is no file. */
  initial: T;
  /** Reads the file. Returns `initial` when there is none. Left out where `initial` is what the file contains. */
  read?(): Promise<T>;
  write(value: T): Promise<void>;
  /** Called when the file could not be read. The value stays `initial`. */
  onReadError?(error: unknown): void;
  /** Called when `value` could not be written; `isRepeated` is true when the attempt before failed too. */
  onWriteError(error: unknown, value: T, isRepeated: boolean): void;
  /** Compares two values; deep equality by default. */
  isSame?: (a: T, b: T) => boolean;
}

export class StateFile<T> {
  readonly #options: StateFileOptions<T>;
  readonly #isSame: (a: T, b: T) => boolean;
  #value: T;
  /** The content of the file, as far as it is known. */
  #stored: T;
  #writing: Promise<void> | undefined;
  /** The error of the last write; undefined when it succeeded. */
  #failure: { error: unknown } | undefined;

  constructor(options: StateFileOptions<T>) {
    this.#options = options;
    this.#isSame = options.isSame ?? isDeepStrictEqual;
    this.#value = this.#stored = options.initial;
  }

  /** The newest value, even if it is not in the file yet. */
  get value(): T {
    return this.#value;
  }

  /** Why the file does not contain the newest value; undefined when the last write succeeded. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Reads the file and returns its value. Never rejects. */
  async load(): Promise<T> {
    const { read, onReadError } = this.#options;
    try {
      if (read) this.#value = this.#stored = await read();
    } catch (error) {
      onReadError?.(error);
    }
    return this.#value;
  }

  /** Sets another value. Resolves when the file contains the newest value or it could not be written. Never rejects. */
  set(value: T): Promise<void> {
    this.#value = value;
    return this.sync();
  }

  /** Sets another value as `set` does, and rejects with the reason when it could not be written. */
  async setOrThrow(value: T): Promise<void> {
    await this.set(value);
    if (this.#failure) throw this.#failure.error;
  }

  /** Writes the value unless the file already contains it. Resolves as `set` does. */
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
          this.#failure = undefined;
        } catch (error) {
          this.#options.onWriteError(error, value, this.#failure !== undefined);
          this.#failure = { error };
          // Only a value that was set in the meantime is written at once. The failed value waits for the next call.
          if (this.#value === value) return;
        }
      } while (!this.#isSame(this.#value, this.#stored));
    } finally {
      this.#writing = undefined;
    }
  }
}
