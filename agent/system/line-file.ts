// A line file is a list of texts, one in each line. Lines are added at its end and are on the disk when that is confirmed.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, MusterError, reasonOf } from './errors.ts';
import { notWritable, syncFolder, writeFileAtomic } from './files.ts';
import { openSafely } from './safe-open.ts';

/** Adds to the end of the file, makes it if there is none, and follows no link. */
const addFlags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

/**
 * Returns the lines of the file `path` that are not empty; none when there is no file. @throws MusterError `bad_state` when
 * it is larger than `limitBytes`, is no regular file of the program's own, or cannot be read.
 */
export async function readLineFile(path: string, limitBytes: number): Promise<string[]> {
  try {
    const file = await openSafely(path, { refuseLastLink: true });
    try {
      const { size } = await file.stat();
      if (size > limitBytes) throw new Error(`larger than ${limitBytes} bytes`);
      return (await file.readFile('utf8')).split('\n').filter(line => line !== '');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw new MusterError('bad_state', `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Replaces the whole file. After a crash it has the old or the new lines. @throws MusterError `not_writable` */
export const replaceLineFile = (path: string, lines: readonly string[]): Promise<void> =>
  writeFileAtomic(path, lines.map(line => `${line}\n`).join(''));

/** Adds lines to a file. Lines that come while others are being written are written together. */
export class LineAppender {
  readonly #path: string;
  #waiting: string[] = [];
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Adds a line without line breaks. Resolves when it is on the disk. @throws MusterError `not_writable` */
  add(line: string): Promise<void> {
    this.#waiting.push(line);
    this.#next ??= this.#last.then(() => this.#write());
    return this.#next;
  }

  async #write(): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#last = appendSynced(this.#path, lines);
    this.#next = undefined;
    const written = this.#last;
    this.#last = written.catch(() => undefined);
    await written;
  }
}

async function appendSynced(path: string, lines: readonly string[]): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, addFlags, 0o600);
    const { size } = await file.stat();
    // The first line break ends what an earlier write, cut short, may have left.
    await file.appendFile(`\n${lines.join('\n')}\n`);
    await file.sync();
    if (size === 0) await syncFolder(dirname(path));
  } catch (error) {
    throw notWritable(path, error);
  } finally {
    await file?.close();
  }
}
