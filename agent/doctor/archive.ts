// The archive for a fault report: a file of its owner's alone that is made anew, or not at all.
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { errnoOf, MusterError } from '../system/errors.ts';
import { notWritable } from '../system/files.ts';
import { tar } from '../system/tar.ts';
import type { BundleFile } from './check-messages.ts';

type Compress = (archive: Buffer) => Promise<Buffer>;

/** By the end of the file's name. */
const compressions: Record<string, Compress> = {
  '.tar': async archive => archive,
  '.tar.gz': promisify(gzip),
  '.tgz': promisify(gzip),
  '.tar.zst': promisify(zstdCompress),
};

/** Where all files are in the archive: unpacked, they lie in one folder. */
const folder = 'muster-doctor';

export interface Archive {
  /** Absolute. */
  readonly path: string;
  /** Writes `files`, closes it, and answers its size. Throws MusterError as `archiveAt`, and leaves nothing behind then. */
  write(files: readonly BundleFile[], time: Date): Promise<number>;
}

/**
 * The archive `name`, which can be written now: told before anything is gathered for it. Nothing is left there until it is.
 * @throws MusterError `usage` for a name of no known kind, `conflict` where there is such a file, `not_writable`.
 */
export async function prepareArchive(name: string): Promise<Archive> {
  const path = resolve(name);
  const kind = Object.entries(compressions).find(([end]) => path.endsWith(end));
  if (!kind) {
    const ends = Object.keys(compressions).join(', ');
    throw new MusterError('usage', `--bundle ${name}: the name of the archive must end in one of ${ends}`);
  }
  await (await createFile(path)).close();
  await unlink(path);
  return { path, write: (files, time) => write(path, kind[1], files, time) };
}

async function write(
  path: string,
  compress: Compress,
  files: readonly BundleFile[],
  time: Date,
): Promise<number> {
  const entries = files.map(({ name, text }) => ({ name: `${folder}/${name}`, data: Buffer.from(text) }));
  const data = await compress(tar(entries, time));
  const file = await createFile(path);
  try {
    await file.writeFile(data);
    await file.sync();
    return data.length;
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw notWritable(path, error, archiveHint);
  } finally {
    await file.close();
  }
}

const archiveHint = 'make room, or choose another place';

async function createFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw notWritable(path, error, archiveHint);
    throw new MusterError('conflict', `${path} is there already, and is not overwritten`, {
      hint: 'choose another name, or remove it',
    });
  }
}
