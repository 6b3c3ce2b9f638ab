// Writes the file of a backup: first under a temporary name, so that a file with the right name is always whole.
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errnoOf, MusterError } from '../../system/errors.ts';
import { notWritable, temporaryPath } from '../../system/files.ts';
import type { BackedUpFile } from './backup-contents.ts';
import { type BackupList, type BackupPart, firstLine, writeListAndLength } from './backup-format.ts';

/** What a part says besides its size and digest. */
type Described<Part> = Part extends BackupPart ? Omit<Part, 'bytes' | 'sha256'> : never;

const elsewhere = 'choose another place for the file';

export class BackupWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #parts: BackupPart[] = [];
  #digest: Hash = createHash('sha256');
  #position = 0;

  /** Begins a new file that only its owner can read. @throws MusterError `conflict` when there is one; `not_writable` */
  static async create(path: string): Promise<BackupWriter> {
    const whole = resolve(path);
    if (await exists(whole)) throw existsAlready(path);
    const temporary = temporaryPath(whole);
    const file = await open(temporary, 'wx', 0o600).catch(error => {
      throw notWritable(path, error, elsewhere);
    });
    const writer = new BackupWriter(whole, temporary, file);
    await writer.#write(Buffer.from(firstLine));
    return writer;
  }

  private constructor(path: string, temporary: string, file: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
  }

  async addFile(name: BackedUpFile, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    await this.addPart(async write => {
      for await (const chunk of chunks) await write(chunk);
      return { kind: 'file', name };
    });
  }

  /**
   * Adds a part that `fill` writes and then describes. When `fill` returns nothing or throws, what it wrote is taken back.
   */
  async addPart(
    fill: (write: (chunk: Uint8Array) => Promise<void>) => Promise<Described<BackupPart> | undefined>,
  ): Promise<boolean> {
    const before = { position: this.#position, digest: this.#digest.copy() };
    const digest = createHash('sha256');
    let described: Described<BackupPart> | undefined;
    try {
      described = await fill(async chunk => {
        digest.update(chunk);
        await this.#write(chunk);
      });
    } finally {
      if (!described) {
        this.#position = before.position;
        this.#digest = before.digest;
      }
    }
    if (!described) return false;
    const bytes = this.#position - before.position;
    this.#parts.push({ ...described, bytes, sha256: digest.digest('hex') });
    return true;
  }

  /** Writes the list of the parts, and gives the file its name. Returns its size in bytes. @throws MusterError `not_writable` */
  async finish(about: Omit<BackupList, 'parts'>): Promise<number> {
    await this.#write(Buffer.from(writeListAndLength({ ...about, parts: this.#parts })));
    await this.#write(Buffer.from(`${this.#digest.copy().digest('hex')}\n`));
    try {
      // A part that was taken back may have been longer than what followed.
      await this.#file.truncate(this.#position);
      await this.#file.sync();
      await this.#file.close();
      if (await exists(this.#path)) throw existsAlready(this.#path);
      await rename(this.#temporary, this.#path);
      await syncFolder(dirname(this.#path));
    } catch (error) {
      throw error instanceof MusterError ? error : notWritable(this.#path, error, elsewhere);
    }
    return this.#position;
  }

  /** Removes what was written. Does nothing after `finish`. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(this.#temporary).catch(() => undefined);
  }

  async #write(chunk: Uint8Array): Promise<void> {
    try {
      for (let start = 0; start < chunk.length; ) {
        const rest = chunk.length - start;
        const { bytesWritten } = await this.#file.write(chunk, start, rest, this.#position + start);
        start += bytesWritten;
      }
    } catch (error) {
      throw notWritable(this.#path, error, elsewhere);
    }
    this.#position += chunk.length;
    this.#digest.update(chunk);
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    error => {
      if (errnoOf(error) === 'ENOENT') return false;
      throw notWritable(path, error, elsewhere);
    },
  );
}

const existsAlready = (path: string): MusterError =>
  new MusterError('conflict', `${path} exists already, and is not overwritten`, {
    hint: 'choose another name, such as one with the date in it',
  });

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
