// Keeps the cursor of the last event that was written out, so that a later run goes on after it.
import { open, unlink } from 'node:fs/promises';
import { readEventCursor } from '../../protocol/event-cursor.ts';
import { MusterError } from '../../system/errors.ts';
import { notWritable, temporaryPath, writeFileAtomic } from '../../system/files.ts';
import { readBounded } from '../../system/read-file.ts';

/**
 * While the file is being written, further cursors only replace the one that is written next. So many events cost few writes,
 * and a run that is killed leaves a cursor that is some events too early, never one that is too late.
 */
export class CursorFile {
  readonly #path: string;
  #next: string | undefined;
  #writing: Promise<void> | undefined;
  #failure: unknown;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Returns the cursor in the file; undefined when there is no such file. Throws MusterError `bad_state` when the file has
   * something else in it, because reading everything again would hide that, and `not_writable` when no cursor can be written
   * there: otherwise a reader would learn only days later that its place was never kept.
   */
  async read(): Promise<string | undefined> {
    const text = (await readBounded(this.#path, 1_024))?.toString('utf8').trim();
    if (text !== undefined && !readEventCursor(text)) {
      throw new MusterError('bad_state', `${this.#path} is not a file with the cursor of an event`, {
        hint: 'name another file with --cursor-file, or remove this one to read from the beginning',
      });
    }
    await this.#tryFolder();
    return text;
  }

  /** Notes the cursor of an event that was written out. Throws MusterError `not_writable` after a write has failed. */
  keep(cursor: string): void {
    if (this.#failure) throw this.#failure;
    this.#next = cursor;
    this.#writing ??= this.#writeAll();
  }

  /** Waits until the newest cursor is in the file. @throws MusterError `not_writable` */
  async finish(): Promise<void> {
    await this.#writing;
    if (this.#failure) throw this.#failure;
  }

  async #tryFolder(): Promise<void> {
    const trial = temporaryPath(this.#path);
    try {
      await (await open(trial, 'wx', 0o600)).close();
      await unlink(trial);
    } catch (error) {
      throw this.#notWritable(error);
    }
  }

  async #writeAll(): Promise<void> {
    try {
      for (let cursor = this.#next; cursor !== undefined; cursor = this.#next) {
        this.#next = undefined;
        await writeFileAtomic(this.#path, `${cursor}\n`);
      }
    } catch (error) {
      this.#failure = this.#notWritable(error instanceof MusterError ? error.cause : error);
    } finally {
      this.#writing = undefined;
    }
  }

  #notWritable(cause: unknown): MusterError {
    return notWritable(this.#path, cause, 'name another file with --cursor-file');
  }
}
