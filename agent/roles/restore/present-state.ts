// Looks at what the folders of a requester contain before a restore replaces them. It changes nothing, and follows no link that
// another user made.
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Mark, parseMark, storeMarkFileName } from '../../requester/ledger/store-mark-file.ts';
import { systemClock } from '../../system/clock.ts';
import { errnoOf } from '../../system/errors.ts';
import { readOwnFile } from '../../system/read-file.ts';

/** Returns whether the folder of a requester contains anything but locks. */
export async function hasState(requester: string): Promise<boolean> {
  const names = await readdir(requester).catch((): string[] => []);
  return names.some(name => !name.startsWith('.') && !name.endsWith('.sock'));
}

/** Returns the cluster of a requester's folder, by its store mark; undefined when there is none that can be read. */
export const clusterOfFolder = async (requester: string): Promise<string | undefined> =>
  (await readFolderMark(requester))?.cluster;

/** Returns the store mark of a requester's folder; undefined when it has none, or one that means nothing. */
export async function readFolderMark(requester: string): Promise<Mark | undefined> {
  const kept = await readOwnFile(join(requester, storeMarkFileName));
  try {
    return kept && parseMark(kept.data);
  } catch {
    return undefined;
  }
}

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    error => {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    },
  );
}

/** Returns the present time for the name of a file, such as `20261128-173000`. */
export const nowInName = (): string =>
  systemClock.now().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
