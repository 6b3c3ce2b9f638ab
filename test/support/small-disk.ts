// A disk with room for almost nothing, where the system lets us have one.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '../../agent/system/errors.ts';

const run = promisify(execFile);

export interface SmallDisk {
  folder: string;
  /** Writes until nothing more fits. */
  fill(): Promise<void>;
  /** Undoes that. */
  makeRoom(): Promise<void>;
  release(): Promise<void>;
}

/** Mounts a file system of 64 KiB; undefined where that is not allowed, as it is to root only, and not in every container. */
export async function mountSmallDisk(): Promise<SmallDisk | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-disk-'));
  const filler = join(folder, 'filler');
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'muster-test', folder]);
  } catch {
    await rm(folder, { recursive: true });
    return undefined;
  }
  return {
    folder,
    async fill() {
      const error = await writeFile(filler, Buffer.alloc(1_048_576)).catch((caught: unknown) => caught);
      if (errnoOf(error) !== 'ENOSPC') throw new Error('the disk is not full', { cause: error });
    },
    makeRoom: () => rm(filler),
    async release() {
      await run('umount', [folder]);
      await rm(folder, { recursive: true });
    },
  };
}
