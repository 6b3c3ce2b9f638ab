// Writes the chunks of the program into files, and the code caches of those that have one.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isCached } from './chunks.ts';
import { writeCodeCache } from './code-cache.ts';

/** Writes the chunks into `folder`, which is made anew, and returns the paths of the assets by name. */
export async function writeChunks(
  chunks: ReadonlyMap<string, string>,
  { folder, withCache }: { folder: string; withCache: boolean },
): Promise<Record<string, string>> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const assets: Record<string, string> = {};
  for (const [name, code] of chunks) {
    const path = join(folder, name);
    await writeFile(path, code);
    assets[name] = path;
    if (!withCache || !isCached(name)) continue;
    const cache = `${name}.cache`;
    assets[cache] = join(folder, cache);
    await writeCodeCache(path, assets[cache]);
  }
  return assets;
}
