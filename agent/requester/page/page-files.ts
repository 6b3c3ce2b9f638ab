// Reads the files of the page: assets of the packaged file, else those that scripts/web.ts has built.
import { readFile } from 'node:fs/promises';
import { errnoOf } from '../../system/errors.ts';
import { readWebAsset } from '../../system/packaged.ts';

/** Returns the bytes of a file of the page; undefined when there is none of this name. */
export type ReadPageFile = (name: string) => Promise<Uint8Array | undefined>;

const built = new URL('../../../build/web/', import.meta.url);

/** Reads a file of the page. `name` is the name of a file and no path, which the caller has checked. */
export const readPageFile: ReadPageFile = async name => {
  const asset = readWebAsset(name);
  if (asset !== 'from source') return asset;
  try {
    return await readFile(new URL(name, built));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
};
