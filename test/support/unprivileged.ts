// Runs code as a user for whom file permissions apply. They do not apply to root.
import { chown, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const nobody = 65534;
const isRoot = process.geteuid?.() === 0;

/** Runs `fn` as such a user. When root runs this process, it belongs to another user while `fn` runs. */
export async function asUnprivileged<T>(fn: () => Promise<T>): Promise<T> {
  if (!isRoot) return fn();
  process.setegid?.(nobody);
  process.seteuid?.(nobody);
  try {
    return await fn();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** Makes a folder that belongs to this user. It is in /tmp for root, whose own temporary folder may be closed to others. */
export async function unprivilegedFolder(): Promise<string> {
  const folder = await mkdtemp(join(isRoot ? '/tmp' : tmpdir(), 'muster-user-'));
  if (isRoot) await chown(folder, nobody, nobody);
  return folder;
}
