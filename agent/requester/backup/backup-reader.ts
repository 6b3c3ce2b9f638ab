// Reads the file of a backup. Everything in it is checked before the first part is used.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { ProtocolError } from '../../protocol/error.ts';
import { errnoOf, MusterError, reasonOf } from '../../system/errors.ts';
import { openSafely } from '../../system/safe-open.ts';
import type { BackedUpFile } from './backup-contents.ts';
import {
  type BackupList,
  type BackupPart,
  firstLine,
  firstLineBytes,
  lastLineBytes,
  readFirstLine,
  readLastLine,
  readList,
  type StreamPart,
} from './backup-format.ts';

/** What is wrong with a file: it is none of muster's, a later version wrote it, it ends in the middle, or it was changed. */
export type BackupFault = 'foreign' | 'newer' | 'torn' | 'damaged';

class BackupError extends MusterError {
  readonly fault: BackupFault;

  constructor(fault: BackupFault, path: string, cause?: unknown) {
    const [text, hint] = sentences[fault];
    super('bad_state', `${path} ${text}`, { hint, cause });
    this.fault = fault;
  }
}

const another = 'nothing was changed; use another backup';
const sentences: Readonly<Record<BackupFault, readonly [text: string, hint: string]>> = {
  foreign: ['is not a backup that muster made', 'nothing was changed; name a file that muster backup wrote'],
  newer: [
    'was written by a later version of muster, and this one cannot read it',
    'nothing was changed; install at least the version that wrote it',
  ],
  torn: ['is not whole: its end is missing', another],
  damaged: [
    'was changed since it was written: it does not have the content that its last line names',
    another,
  ],
};

/** Size of the digest at the end of the last line, with the line break. */
const digestBytes = 65;
/** Size of what is read at once, in bytes. */
const readBytes = 256 * 1024;
/** Size of the largest file that is given back as a whole, in bytes. The ledger is larger, and read in parts. */
const maxFileBytes = 256 * 1024;

export class Backup {
  readonly list: BackupList;
  readonly #path: string;
  readonly #file: FileHandle;

  /** Opens a backup, and checks all of it. @throws BackupError; MusterError `not_found`, `bad_state` for an unreadable file */
  static async open(path: string): Promise<Backup> {
    const file = await openSafely(path).catch(error => {
      if (errnoOf(error) === 'ENOENT') throw new MusterError('not_found', `there is no file ${path}`);
      throw new MusterError('bad_state', `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
    });
    try {
      return new Backup(path, file, await check(path, file));
    } catch (error) {
      await file.close();
      throw error instanceof MusterError
        ? error
        : new MusterError('bad_state', `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
    }
  }

  private constructor(path: string, file: FileHandle, list: BackupList) {
    this.#path = path;
    this.#file = file;
    this.list = list;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  streams(): StreamPart[] {
    return this.list.parts.filter(part => part.kind === 'stream');
  }

  /** Returns the content of a small file; undefined when the backup does not have it. @throws MusterError */
  async readFile(name: BackedUpFile): Promise<Buffer | undefined> {
    const part = this.list.parts.find(each => each.name === name);
    if (!part) return undefined;
    if (part.bytes > maxFileBytes) throw new BackupError('damaged', this.#path);
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.read(name)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Returns the content of a part, piece by piece. Throws BackupError when the file has changed since it was checked. */
  async *read(name: BackupPart['name']): AsyncGenerator<Uint8Array> {
    let start = firstLine.length;
    for (const part of this.list.parts) {
      if (part.name === name) {
        const digest = createHash('sha256');
        for await (const chunk of chunksOf(this.#file, start, part.bytes)) {
          digest.update(chunk);
          yield chunk;
        }
        if (digest.digest('hex') !== part.sha256) throw new BackupError('damaged', this.#path);
        return;
      }
      start += part.bytes;
    }
  }
}

async function check(path: string, file: FileHandle): Promise<BackupList> {
  const { size } = await file.stat();
  const start = readFirstLine(await readAt(file, 0, firstLineBytes));
  if (start !== 'known') throw new BackupError(start, path);
  const last = readLastLine(await readAt(file, Math.max(0, size - lastLineBytes), lastLineBytes));
  if (!last) throw new BackupError('torn', path);
  const listStart = size - lastLineBytes - last.listBytes;
  const partBytes = listStart - firstLine.length;
  if (partBytes < 0) throw new BackupError('damaged', path);
  const listData = await readAt(file, listStart, last.listBytes);
  const list = parseList(path, listData, partBytes);
  const whole = createHash('sha256').update(firstLine);
  let at = firstLine.length;
  for (const { bytes, sha256 } of list.parts) {
    const digest = createHash('sha256');
    for await (const chunk of chunksOf(file, at, bytes)) {
      digest.update(chunk);
      whole.update(chunk);
    }
    if (digest.digest('hex') !== sha256) throw new BackupError('damaged', path);
    at += bytes;
  }
  // The last line is part of what it digests, up to the digest.
  whole.update(listData).update(await readAt(file, size - lastLineBytes, lastLineBytes - digestBytes));
  if (whole.digest('hex') !== last.sha256) throw new BackupError('damaged', path);
  return list;
}

function parseList(path: string, data: Buffer, partBytes: number): BackupList {
  try {
    return readList(data, partBytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new BackupError('damaged', path, error);
  }
}

async function* chunksOf(file: FileHandle, start: number, bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes; ) {
    const chunk = await readAt(file, start + at, Math.min(readBytes, bytes - at));
    if (chunk.length === 0) return;
    at += chunk.length;
    yield chunk;
  }
}

/** Returns at most `bytes` bytes from a place of the file; fewer at its end. */
async function readAt(file: FileHandle, start: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, start);
  return buffer.subarray(0, bytesRead);
}
