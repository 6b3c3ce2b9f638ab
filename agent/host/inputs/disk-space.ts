// Asks how much space the file system of a folder has. A file system that hangs blocks at most one thread, never the event
// loop.
import { statfs } from 'node:fs/promises';
import type { NativeProbe } from '../native/native-probe.ts';

/** The space on a file system, in bytes. Recordings contain it, so the names do not change. */
export interface DiskSpace {
  total: number;
  /** Space that this process may use. Blocks that are reserved for root do not count. */
  available: number;
}

/**
 * Asks the file system of `folder`. The native probe asks on its own thread, and stops waiting after `timeoutMs`; at most
 * one such thread can hang. Without the probe Node asks, without a time limit, on one of the few threads of the whole
 * process. Rejects with the system's error.
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
