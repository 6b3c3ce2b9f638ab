// Checks that the disk has enough free bytes and files for the state.
import { statfs } from 'node:fs/promises';
import { type Check, type Finding, failed, ok, warning } from './check.ts';
import type { Context } from './context.ts';
import { nearestExistingFolder } from './folders.ts';

/**
 * The smallest free space for the state, in bytes, and the share of free files (inodes) below which there is a warning.
 */
const minimum = { bytes: 16 * 2 ** 20, files: 0.01 };
const makeRoom = 'free some, or choose another dataDir';

export const disk = (context: Context): Check => ({
  name: 'disk',
  async run() {
    const folder = await nearestExistingFolder(context.data);
    const { bsize, blocks, bavail, files, ffree } = await statfs(folder);
    const bytes = bsize * bavail;
    const left = `${size(bytes)} of ${size(bsize * blocks)} left at ${folder}`;
    if (bytes < minimum.bytes) return [failed(left, makeRoom)];
    return [(await await almostFull(context)) ?? ok(left), ...outOfFiles(folder, files, ffree)];
  },
});

/** Returns a finding when the disk is almost full. It uses the rule of the agent, so that both say the same. */
async function almostFull({ machine }: Context): Promise<Finding | undefined> {
  const { conditions } = await machine();
  const condition = conditions.find(({ type }) => type === 'DiskAlmostFull');
  return condition && warning(condition.reason, makeRoom);
}

// Returns findings when few files can be created. Some file systems do not count files, and report 0 of 0.
function outOfFiles(folder: string, files: number, free: number): Finding[] {
  if (files === 0 || free >= files * minimum.files) return [];
  const text = `${free} of ${files} files (inodes) left at ${folder}`;
  return [free < 100 ? failed(text, makeRoom) : warning(text, makeRoom)];
}

function size(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.floor(bytes / 2 ** 20)} MiB`;
}
