// Asks how much room the file system of a folder has. One that hangs costs at most one thread, and never the event loop.
import { statfs } from 'node:fs/promises';
import type { NativeProbe } from '../native/native-probe.ts';

/** The room on a file system, in bytes. Recordings hold it, so the names do not change. */
export interface DiskSpace {
  total: number;
  /** What this process may fill: blocks that are reserved for root do not count. */
  available: number;
}

/**
 * Asks the file system of `folder`. The native probe asks on a thread of its own, of which at most one hangs, and gives up after
 * `timeoutMs`. Without the probe Node asks, without a time limit, on one of the few threads that the whole process uses.
 * Rejects with the system's error.
 */
export async function readDiskSpace(
  folder: string,
  timeoutMs: number,
  probe: Pick<NativeProbe, 'disk'> | undefined,
  nodeStatfs: (folder: string) => Promise<{ bsize: number; blocks: number; bavail: number }> = statfs,
): Promise<DiskSpace> {
  if (probe) {
    const { total, available } = await probe.disk(folder, timeoutMs);
    return { total, available };
  }
  const { bsize, blocks, bavail } = await nodeStatfs(folder);
  return { total: bsize * blocks, available: bsize * bavail };
}
