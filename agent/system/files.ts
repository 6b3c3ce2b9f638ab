// Writes state files. After a crash at any moment a file has the old or the new content, never a part of it.
// Changes in one folder run one after another, so that a folder that hangs blocks only one of Node's few file threads.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, MusterError, reasonOf } from './errors.ts';
import { openSafely } from './safe-open.ts';

/**
 * Writes `data` to `path`. It writes and syncs a temporary file first, and then renames it. rename(2) is atomic, and
 * survives a crash once the folder is synced. @throws MusterError `not_writable` with the path and the reason.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  return inTurn(dirname(path), () => replaceFile(path, data, mode));
}

/** Returns a new name beside `path` for a file that is then renamed to `path`. `removeLeftovers` knows such names. */
export const temporaryPath = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);

/**
 * Removes temporary files in `folder` that were left when writers were killed. It would also remove the temporary file of
 * a running write. So only the holder of the folder may call this, before it writes there. Never throws.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  // A file that cannot be removed does no harm, because nobody reads it.
  const remove = (name: string) => unlink(join(folder, name)).catch(() => undefined);
  await Promise.all(names.filter(name => /^\.(.+\.)?[0-9a-f]{12}\.tmp$/.test(name)).map(remove));
}

/**
 * Writes `text` to `path`, or removes the file when `text` is undefined. The file is not synced. So it stays when this
 * process ends, but may be lost when the machine crashes. Throws the system's error.
 */
export function writeMark(path: string, text: string | undefined): Promise<void> {
  return inTurn(dirname(path), () =>
    text === undefined ? unlink(path) : writeFile(path, text, { mode: 0o600, flag: markFlags }),
  );
}

/**
 * Renames `path` to `path + suffix` and replaces an earlier file of that name. Does nothing when `path` does not exist.
 * Throws MusterError `not_writable`.
 */
export function setAside(path: string, suffix: string): Promise<void> {
  return inTurn(dirname(path), async () => {
    try {
      await rm(path + suffix, { recursive: true, force: true });
      await rename(path, path + suffix);
      await syncFolder(dirname(path));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw notWritable(path, error);
    }
  });
}

/** Moves a file to another name in its folder, in place of what is there. @throws MusterError `not_writable` */
export function moveFile(from: string, to: string): Promise<void> {
  return inTurn(dirname(to), async () => {
    try {
      await rename(from, to);
      await syncFolder(dirname(to));
    } catch (error) {
      throw notWritable(to, error);
    }
  });
}

/** Removes `path`. Does nothing when it does not exist. Throws MusterError `not_writable`. */
export function removeFile(path: string): Promise<void> {
  return inTurn(dirname(path), async () => {
    try {
      await unlink(path);
      await syncFolder(dirname(path));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw notWritable(path, error);
    }
  });
}

/**
 * Lets only the owner use `path`, a file of the program's own state. @throws MusterError `not_writable`, also for a link
 * and for a file with another name, because the file of somebody else would change.
 */
export async function closeToOthers(path: string): Promise<void> {
  try {
    const file = await openSafely(path, { refuseLastLink: true });
    try {
      const { mode, nlink } = await file.stat();
      if ((mode & 0o077) === 0) return;
      if (nlink > 1) throw new Error(`the file has ${nlink} names (hard links)`);
      await file.chmod(0o600);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new MusterError(
      'not_writable',
      `others may read a secret, and ${path} cannot be closed to them: ${reasonOf(error)}`,
      {
        hint: 'make it a file of its own that only its owner may read: mode 600',
        cause: error,
      },
    );
  }
}

/**
 * Creates `folder` and its parents. Only the owner can use them. @throws MusterError `not_writable` with the folder and
 * the reason.
 */
export async function makeFolder(folder: string, mode = 0o700): Promise<void> {
  try {
    await createWithParents(folder, mode);
  } catch (error) {
    throw notWritable(folder, error);
  }
}

/** Returns the error for the operator after writing `path` failed with `cause`. `elsewhere` says what else can be done. */
export function notWritable(path: string, cause: unknown, elsewhere?: string): MusterError {
  const reasons: Record<string, string> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space left on the device',
    EDQUOT: 'the disk quota is used up',
    EIO: 'the disk reports an input/output error',
    EFBIG: 'the system does not allow a file so large',
    ENOENT: 'a part of the path does not exist',
    ENOTDIR: 'a part of the path is not a folder',
    EEXIST: 'something else is in the way',
  };
  const reason = reasons[errnoOf(cause) ?? ''] ?? reasonOf(cause);
  const hint = writeHint(cause, elsewhere);
  return new MusterError('not_writable', `cannot write ${path}: ${reason}`, { hint, cause });
}

/** Returns what to do after writing failed with `cause`. */
export function writeHint(cause: unknown, elsewhere = 'choose another folder with dataDir'): string {
  const isFull = ['ENOSPC', 'EDQUOT'].includes(errnoOf(cause) ?? '');
  return `${isFull ? 'make room on its disk' : 'free or unlock it'}, or ${elsewhere}`;
}

/** Replaces the content of a file, or makes it, and follows no link. */
const markFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

/** The last change of each folder with running changes. */
const lastChanges = new Map<string, Promise<void>>();

/** Runs `change` after all earlier changes of `folder`. */
function inTurn(folder: string, change: () => Promise<void>): Promise<void> {
  const result = (lastChanges.get(folder) ?? Promise.resolve()).then(change);
  const ended: Promise<void> = result
    .catch(() => undefined)
    .then(() => {
      if (lastChanges.get(folder) === ended) lastChanges.delete(folder);
    });
  lastChanges.set(folder, ended);
  return result;
}

async function replaceFile(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw notWritable(path, error);
  }
}

// Creates the folders one by one. Node's own recursive mkdir reports most errors, such as a read-only file system, as a
// missing part of the path. A parent may be missing at the first try and be made by another process before we look.
async function createWithParents(folder: string, mode: number): Promise<void> {
  const parent = dirname(folder);
  try {
    await createFolder(folder, mode);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || parent === folder) throw error;
    await createWithParents(parent, mode);
    await createFolder(folder, mode);
  }
}

async function createFolder(folder: string, mode: number): Promise<void> {
  try {
    await mkdir(folder, { mode });
  } catch (error) {
    if (!(await isFolder(folder))) throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    info => info.isDirectory(),
    () => false,
  );
}

/** Makes the names in a folder survive a crash. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
