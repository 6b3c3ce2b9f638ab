// Writes SHA256SUMS: a line for every file in a folder, as `sha256sum -c` reads it.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { writeFileAtomic } from '../../agent/system/files.ts';

export const checksumFile = 'SHA256SUMS';

/**
 * Writes SHA256SUMS for the files in `folder` and below, sorted by path. A file with two names is listed once, by the
 * first. Hidden files are left out, because they are not finished.
 */
export async function writeChecksums(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter(entry => entry.isFile() && !entry.name.startsWith('.') && entry.name !== checksumFile)
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
  const lines = (await withoutSecondNames(folder, paths)).map(
    async path => `${await sha256(join(folder, path))}  ${path}\n`,
  );
  await writeFileAtomic(join(folder, checksumFile), (await Promise.all(lines)).join(''), 0o644);
}

async function withoutSecondNames(folder: string, paths: readonly string[]): Promise<string[]> {
  const ids = await Promise.all(
    paths.map(async path => {
      const { dev, ino } = await stat(join(folder, path), { bigint: true });
      return `${dev}:${ino}`;
    }),
  );
  return paths.filter((_, index) => ids.indexOf(ids[index] ?? '') === index);
}

/** Returns the hash of a file in hexadecimal. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
