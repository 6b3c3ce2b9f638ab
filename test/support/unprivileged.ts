// A user whom file permissions bind, which root is not: for folders that cannot be written and files that cannot be read.
import { chown, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const nobody = 65534;
const isRoot = process.geteuid?.() === 0;

/** Runs `work` as such a user: as another one for its length when this process is root's. */
export async function asUnprivileged<T>(work: () => Promise<T>): Promise<T> {
  if (!isRoot) return work();
  process.setegid?.(nobody);
  process.seteuid?.(nobody);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** A new folder that belongs to this user. Root's own temporary folder may be closed to others. */
export async function unprivilegedFolder(): Promise<string> {
  const folder = await mkdtemp(join(isRoot ? '/tmp' : tmpdir(), 'muster-user-'));
  if (isRoot) await chown(folder, nobody, nobody);
  return folder;
}
