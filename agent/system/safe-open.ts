// Opens files and folders where another user may have planted something: links, hard links, pipes and devices. What is
// opened is examined before it is read, so a path that changes meanwhile leads nowhere else.
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errors.ts';
import { type OtherWriter, RefusedLink, type WalkOptions, walkPath } from './path-trust.ts';

/** Opens only the place of a file, without any effect on what is there: open(2). Node has no name for it. */
const O_PATH = 0o10000000;
/** Follows no link in any part of the path: open(2) of macOS. */
const O_NOFOLLOW_ANY = process.platform === 'darwin' ? 0x20000000 : 0;

/** A folder that stays the same one while it is used, whatever happens to its path. */
export interface OpenedFolder {
  /** Returns a path to `name` in this folder, or to the folder itself. */
  at(name?: string): string;
}

/**
 * Opens a regular file for reading. It follows only links that root or this user made, where nobody else can replace
 * them. In a folder that somebody else may write, the file must have one name, and belong to the owner of that folder or
 * to root. @throws Error with the reason; the system's error.
 */
export async function openSafely(path: string, options: WalkOptions = {}): Promise<FileHandle> {
  const { path: real, writer } = await walkPath(path, options);
  return withPlace(real, async (place, stablePath) => {
    const info = await place.stat();
    if (info.isSymbolicLink()) throw new RefusedLink('a symbolic link, which is not followed');
    if (!info.isFile()) throw new Error('not a regular file');
    if (writer) {
      if (info.nlink > 1)
        throw new RefusedLink(`a hard link, which is not followed: the file has ${info.nlink} names`);
      if (!mayOwn(info.uid, writer))
        throw new Error(`it belongs to user ${info.uid}, and the folder to user ${writer.uid}`);
    }
    return reopen(place, stablePath, real);
  });
}

/**
 * Calls `use` with the folder at `path`, under the rules of `openSafely` for links. @throws Error with the reason; the
 * system's error.
 */
export async function withFolder<T>(path: string, use: (folder: OpenedFolder) => Promise<T>): Promise<T> {
  const { path: real } = await walkPath(path);
  return withPlace(real, async (place, stablePath) => {
    const info = await place.stat();
    if (info.isSymbolicLink()) throw new RefusedLink('a symbolic link, which is not followed');
    if (!info.isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    const base = stablePath ?? real;
    return use({ at: name => `${base}/${name ?? '.'}` });
  });
}

const isLinux = process.platform === 'linux';
const noLinks = constants.O_NOFOLLOW | O_NOFOLLOW_ANY;

/**
 * Calls `use` with a path that leads to the socket at `path` and to nothing else. @throws Error with the code `ENOTSOCK`
 * when there is no socket; the system's error.
 */
export async function withSocket<T>(path: string, use: (path: string) => Promise<T>): Promise<T> {
  const place = await open(path, O_PATH | constants.O_NOFOLLOW);
  try {
    if (!(await place.stat()).isSocket())
      throw Object.assign(new Error(`${path} is not a socket`), { code: 'ENOTSOCK' });
    const stablePath = `/proc/self/fd/${place.fd}`;
    // A process that changed its user cannot use that path.
    const isUsable = await readlink(stablePath).then(
      () => true,
      () => false,
    );
    return await use(isUsable ? stablePath : path);
  } finally {
    await place.close();
  }
}

// Root reads only what root or the owner of the folder wrote. For other users the system's own permissions are enough.
function mayOwn(uid: number, writer: OtherWriter): boolean {
  return process.geteuid?.() !== 0 || uid === 0 || uid === writer.uid || writer.uid === 0;
}

/** Opens the place `real`, makes sure that no link led elsewhere, and calls `use` with it. */
async function withPlace<T>(
  real: string,
  use: (place: FileHandle, stablePath: string | undefined) => Promise<T>,
): Promise<T> {
  const place = await openPlace(real);
  try {
    return await use(place, await confirmPlace(place, real));
  } finally {
    await place.close();
  }
}

async function openPlace(real: string): Promise<FileHandle> {
  if (isLinux) return open(real, O_PATH | constants.O_NOFOLLOW);
  // Elsewhere opening may have an effect, so a pipe or a device is found before.
  const info = await lstat(real);
  if (!info.isFile() && !info.isDirectory()) throw new Error('not a regular file');
  return open(real, constants.O_RDONLY | constants.O_NONBLOCK | noLinks);
}

/**
 * Compares the path that the system knows of the opened place with the path that was meant. Returns a path that leads to
 * this place only; undefined when the system has none.
 */
async function confirmPlace(place: FileHandle, real: string): Promise<string | undefined> {
  if (!isLinux) return undefined;
  const stablePath = `/proc/self/fd/${place.fd}`;
  // Without /proc, or in a process that changed its user, only what is at the path can be compared.
  const actual = await readlink(stablePath).catch(() => undefined);
  if (actual === undefined) return confirmByNumber(place, real);
  // A file that was replaced or removed meanwhile has no path any more. It was at this place.
  if (actual === real || actual === `${real} (deleted)`) return stablePath;
  throw new Error(`a symbolic link on the way to ${real} is not followed: it leads to ${actual}`);
}

async function confirmByNumber(place: FileHandle, real: string): Promise<undefined> {
  const [opened, meant, path] = await Promise.all([place.stat(), lstat(real), realpath(dirname(real))]);
  if (isSameFile(opened, meant) && path === dirname(real)) return undefined;
  throw new Error(`a symbolic link on the way to ${real} is not followed`);
}

/** Opens the file at `place` for reading. */
async function reopen(place: FileHandle, stablePath: string | undefined, real: string): Promise<FileHandle> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  if (stablePath !== undefined)
    return open(stablePath, flags).catch(error => rethrowNaming(error, stablePath, real));
  const file = await open(real, flags | noLinks);
  if (isSameFile(await file.stat(), await place.stat())) return file;
  await file.close();
  throw new Error(`${real} was replaced while it was opened`);
}

/** Throws `error` with the path that the operator knows. */
function rethrowNaming(error: unknown, stablePath: string, real: string): never {
  const text = error instanceof Error ? error.message.replace(stablePath, real) : String(error);
  throw Object.assign(new Error(text), { code: errnoOf(error) });
}

const isSameFile = (one: Stats, other: Stats): boolean => one.ino === other.ino && one.dev === other.dev;
