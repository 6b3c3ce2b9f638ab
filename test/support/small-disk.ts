// Mounts a very small disk, or a read-only one, where this is allowed.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '../../agent/system/errors.ts';

const run = promisify(execFile);

interface Disk {
  folder: string;
  release(): Promise<void>;
}

export interface SmallDisk extends Disk {
  /** Fills the disk, so that nothing more can be written. */
  fill(): Promise<void>;
  /** Removes the file that filled the disk. */
  makeRoom(): Promise<void>;
}

/**
 * Mounts a file system with room for a broker's store in `folder`, which must exist. Returns undefined where this is not
 * allowed. It is filled by making it as small as what it holds.
 */
export async function mountStoreDisk(folder: string): Promise<SmallDisk | undefined> {
  const disk = await mount('size=2g', folder);
  if (!disk) return undefined;
  const resize = (size: string) => run('mount', ['-o', `remount,size=${size}`, folder]);
  return {
    ...disk,
    async fill() {
      // A file may grow between the question and the change, and then the disk would be too small for what it holds.
      for (let attempts = 1; ; attempts++) {
        const { blocks, bfree, bsize } = await statfs(folder);
        try {
          return void (await resize(String((blocks - bfree) * bsize)));
        } catch (error) {
          if (attempts === 20) throw error;
        }
      }
    },
    makeRoom: async () => void (await resize('2g')),
  };
}

/**
 * Mounts a file system of 64 KiB, or of `sizeKib`, on a new folder, or on the empty folder `at`. Returns undefined where
 * this is not allowed: only root can, and not in every container.
 */
export async function mountSmallDisk({
  sizeKib = 64,
  at,
}: {
  sizeKib?: number;
  at?: string;
} = {}): Promise<SmallDisk | undefined> {
  const disk = await mount(`size=${sizeKib}k`, at);
  if (!disk) return undefined;
  const filler = join(disk.folder, 'filler');
  return {
    ...disk,
    async fill() {
      const error = await writeFile(filler, Buffer.alloc((sizeKib + 960) * 1_024)).catch(
        (caught: unknown) => caught,
      );
      if (errnoOf(error) !== 'ENOSPC') throw new Error('the disk is not full', { cause: error });
    },
    makeRoom: () => rm(filler),
  };
}

/** Mounts an empty file system that can only be read. Returns undefined where this is not allowed. */
export const mountReadOnly = (): Promise<Disk | undefined> => mount('ro');

async function mount(options: string, at?: string): Promise<Disk | undefined> {
  const folder = at ?? (await mkdtemp(join(tmpdir(), 'muster-disk-')));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', options, 'muster-test', folder]);
  } catch {
    if (at === undefined) await rm(folder, { recursive: true });
    return undefined;
  }
  return {
    folder,
    async release() {
      // The kernel may count a file of a process that has just ended as open for a moment longer.
      await run('umount', ['--lazy', folder]);
      await rm(folder, { recursive: true });
    },
  };
}
