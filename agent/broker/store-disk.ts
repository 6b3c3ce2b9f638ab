// Reads how much the disk of the broker's store may hold, and tries whether it takes writes.
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, endsWithin } from '../system/clock.ts';
import { errnoOf, reasonOf } from '../system/errors.ts';
import type { DiskState } from './server-health.ts';

/** Size of the write, in bytes. With less free space the broker could store a few decisions only. */
const triedBytes = 1_048_576;
/** Time for the write, in milliseconds. */
const timeoutMs = 5_000;

/**
 * Returns how much the broker may store in `folder`, in bytes: three quarters of the file system. nats-server itself takes
 * three quarters of what is free at its start. A start on a full disk would make that nothing, also after space was freed.
 * Returns undefined when the size of the file system cannot be read.
 */
export async function readStoreLimit(folder: string): Promise<number | undefined> {
  try {
    const { blocks, bsize } = await statfs(folder);
    return Math.floor((blocks * bsize * 3) / 4) || undefined;
  } catch {
    // The start of the broker meets the same error soon, and says so.
    return undefined;
  }
}

/**
 * Returns a function that writes a file in `folder`, syncs it, and removes it. A write finds what figures of the system do
 * not show: quotas, used-up inodes, a file system that became read-only. One write runs at a time, also when it hangs.
 * Never throws.
 */
export function diskTester(folder: string, clock: Clock): () => Promise<DiskState> {
  let running: Promise<DiskState> | undefined;
  return async () => {
    running ??= tryWrite(join(folder, 'space-check')).finally(() => {
      running = undefined;
    });
    const trial = running;
    return (await endsWithin(clock, timeoutMs, trial)) ? await trial : { kind: 'hangs' };
  };
}

async function tryWrite(path: string): Promise<DiskState> {
  try {
    // The file must not exist, so that no link that somebody planted is followed.
    await rm(path, { force: true });
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(Buffer.alloc(triedBytes));
      await file.sync();
    } finally {
      await file.close();
      await rm(path, { force: true });
    }
    return { kind: 'writable' };
  } catch (error) {
    const code = errnoOf(error) ?? '';
    return ['ENOSPC', 'EDQUOT'].includes(code)
      ? { kind: 'full' }
      : { kind: 'broken', reason: reasonOf(error) };
  }
}
