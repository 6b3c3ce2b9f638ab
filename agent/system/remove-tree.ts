// Removes a folder with everything in it. What is removed stays inside that folder, even while its owner swaps a folder in
// it for a link: a removal by path would then follow the link.
import { constants } from 'node:fs';
import { open, readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { errnoOf } from './errors.ts';
import { withFolder } from './safe-open.ts';

/**
 * Removes `path`, which may be a file, and follows no link. A folder where a disk is mounted stays, empty. Does nothing
 * when nothing is there. Throws the system's error.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await withFolder(dirname(path), ({ at }) => removeEntry(at(basename(path))));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Removes what is at `path`, and returns whether it is gone. */
async function removeEntry(path: string): Promise<boolean> {
  // Only on Linux a path can begin in a folder that is open.
  if (process.platform !== 'linux') {
    await rm(path, { recursive: true, force: true });
    return true;
  }
  if (await unlinkFile(path)) return true;
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const inside = `/proc/self/fd/${folder.fd}`;
    let isEmpty = true;
    // One at a time, so that a deep tree needs few open files.
    for (const name of await readdir(inside)) isEmpty = (await removeEntry(`${inside}/${name}`)) && isEmpty;
    if (!isEmpty) return false;
  } finally {
    await folder.close();
  }
  return removeEmptyFolder(path);
}

/** Removes a file or a link, and returns whether it is gone. A folder stays. */
async function unlinkFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) === 'EISDIR') return false;
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  return true;
}

/** Removes an empty folder, and returns whether it is gone. A folder where a disk is mounted stays. */
async function removeEmptyFolder(path: string): Promise<boolean> {
  try {
    await rmdir(path);
  } catch (error) {
    if (errnoOf(error) === 'EBUSY') return false;
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  return true;
}
