// Remembers that a library was called and never returned: one that ends the process is not called again by the next.
import { join } from 'node:path';
import { readBounded, removeFile, writeFileAtomic } from '../../system/files.ts';

export interface CrashGuard {
  /** Why the library must not be called; undefined when it may. */
  readonly fault: string | undefined;
  /** Calls the library with a mark on the disk for as long as it takes. */
  around<T>(call: () => Promise<T>): Promise<T>;
}

/**
 * A guard that keeps its mark in `folder`. A mark that an earlier process left stands for a call that ended it, unless
 * `circumstances` (the driver's version and the boot id, say) are others now: then the library gets another chance.
 */
export async function crashGuard(folder: string, circumstances: string): Promise<CrashGuard> {
  const path = join(folder, 'nvml-called');
  // A mark that cannot be read is a mark.
  const mark = await readBounded(path).then(
    data => data?.toString('utf8'),
    () => circumstances,
  );
  const fault =
    mark === circumstances
      ? `is not called, as the last call ended the process that made it; remove ${path} to try again`
      : undefined;
  return {
    fault,
    async around(call) {
      if (fault !== undefined) throw new Error(fault);
      await writeFileAtomic(path, circumstances);
      try {
        return await call();
      } finally {
        await removeFile(path);
      }
    },
  };
}
