// Gives a file, or a folder with everything in it, to another user.
import { lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Follows no link. Nobody but this user may write in the folder meanwhile. Throws the system's error. */
export async function giveTree(path: string, { uid, gid }: { uid: number; gid: number }): Promise<void> {
  if ((await lstat(path)).isDirectory())
    for (const name of await readdir(path)) await giveTree(join(path, name), { uid, gid });
  await lchown(path, uid, gid);
}
