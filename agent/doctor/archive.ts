// Writes the archive for a fault report. Only its owner can read it, and an existing file is never overwritten.
import { unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { elsewhere, openNewFile } from '../output/new-file.ts';
import { MusterError } from '../system/errors.ts';
import { notWritable } from '../system/files.ts';
import { tar } from '../system/tar.ts';
import type { BundleFile } from './check-messages.ts';

type Compress = (archive: Buffer) => Promise<Buffer>;

/** The compression for each ending of the file name. */
const compressions: Record<string, Compress> = {
  '.tar': async archive => archive,
  '.tar.gz': promisify(gzip),
  '.tgz': promisify(gzip),
  '.tar.zst': promisify(zstdCompress),
};

/** All files of the archive are in this folder, so that unpacking creates only one folder. */
const folder = 'muster-doctor';

export interface Archive {
  /** Absolute path of the archive. */
  readonly path: string;
  /** Writes `files`, and returns the size in bytes. Throws MusterError as `prepareArchive`; then it leaves no file. */
  write(files: readonly BundleFile[], time: Date): Promise<number>;
}

/**
 * Checks that the archive `name` can be written, before the files for it are collected. It leaves no file.
 * @throws MusterError `usage` for a name with an unknown ending, `conflict` when the file exists, `not_writable`.
 */
export async function prepareArchive(name: string): Promise<Archive> {
  const path = resolve(name);
  const kind = Object.entries(compressions).find(([end]) => path.endsWith(end));
  if (!kind) {
    const ends = Object.keys(compressions).join(', ');
    throw new MusterError('usage', `--bundle ${name}: the name of the archive must end with one of ${ends}`);
  }
  await (await openNewFile(path)).close();
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
  const file = await openNewFile(path);
  try {
    await file.writeFile(data);
    await file.sync();
    return data.length;
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw notWritable(path, error, elsewhere);
  } finally {
    await file.close();
  }
}
