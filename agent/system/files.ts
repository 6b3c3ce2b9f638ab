// Reading and writing state files so that a crash at any moment leaves the old content or the new, never half. A folder is
// changed by one piece of work at a time: one that hangs then holds one of the few threads that Node has for files.
import { randomBytes } from 'node:crypto';
import { constants, mkdir, open, readdir, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, MusterError, reasonOf } from './errors.ts';

/**
 * Writes `data` to `path`: temporary name, fsync, rename, fsync of the folder (rename(2) is atomic, durable only then).
 * @throws MusterError `not_writable`, naming the path and why.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  return inTurn(dirname(path), () => write(path, data, mode));
}

/**
 * Removes what writers of `folder` left as they were killed: files under a temporary name. To be called by whoever holds the
 * folder, and before writing there: what somebody else is writing now would go, too. Never throws.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  // What cannot be removed does no harm: nobody reads it.
  const remove = (name: string) => unlink(join(folder, name)).catch(() => undefined);
  await Promise.all(names.filter(name => /^\.(.+\.)?[0-9a-f]{12}\.tmp$/.test(name)).map(remove));
}

/**
 * Writes `text` to `path`, or removes it when undefined, for those who come after this process: it outlives that, and is not
 * synced to outlive the machine. Throws the system's error.
 */
export function writeMark(path: string, text: string | undefined): Promise<void> {
  return inTurn(dirname(path), () =>
    text === undefined ? unlink(path) : writeFile(path, text, { mode: 0o600 }),
  );
}

/** Moves `path` aside to `path + suffix`, replacing an earlier one. Absent is fine. */
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

/** Removes `path`; absent is fine. */
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
 * Reads at most `limit` bytes of `path`; undefined when there is no such file.
 * @throws MusterError `bad_state` when it is larger, not a file, or cannot be read.
 */
export async function readBounded(path: string, limit = 65_536): Promise<Buffer | undefined> {
  try {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const info = await file.stat();
      if (!info.isFile()) throw new Error('not a regular file');
      if (info.size > limit) throw new Error(`larger than ${limit} bytes`);
      const buffer = Buffer.alloc(limit + 1);
      let length = 0;
      let bytesRead: number;
      // The kernel gives many of its own files a page at a time: only a read of nothing is the end.
      do {
        ({ bytesRead } = await file.read(buffer, length, limit + 1 - length, length));
        length += bytesRead;
      } while (bytesRead > 0 && length <= limit);
      if (length > limit) throw new Error(`larger than ${limit} bytes`);
      return buffer.subarray(0, length);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new MusterError('bad_state', `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Makes `folder` (and its parents) private to its owner.
 * @throws MusterError `not_writable`, naming the folder and why.
 */
export async function makeFolder(folder: string, mode = 0o700): Promise<void> {
  try {
    await makeWithParents(folder, mode);
  } catch (error) {
    throw notWritable(folder, error);
  }
}

/** What to tell the operator when writing `path` failed with `cause`. */
export function notWritable(
  path: string,
  cause: unknown,
  hint = 'free or unlock it, or choose another folder with dataDir',
): MusterError {
  const why: Record<string, string> = {
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
  const reason = why[errnoOf(cause) ?? ''] ?? reasonOf(cause);
  return new MusterError('not_writable', `cannot write ${path}: ${reason}`, { hint, cause });
}

/** The last piece of work on each folder that is being changed. */
const changing = new Map<string, Promise<void>>();

function inTurn(folder: string, work: () => Promise<void>): Promise<void> {
  const result = (changing.get(folder) ?? Promise.resolve()).then(work);
  const ended: Promise<void> = result
    .catch(() => undefined)
    .then(() => {
      if (changing.get(folder) === ended) changing.delete(folder);
    });
  changing.set(folder, ended);
  return result;
}

async function write(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
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

// Node's own recursion says of most errors, such as a read-only file system, that a part of the path does not exist.
async function makeWithParents(folder: string, mode: number): Promise<void> {
  try {
    await mkdir(folder, { mode });
  } catch (error) {
    if (await isFolder(folder)) return;
    const parent = dirname(folder);
    if (errnoOf(error) !== 'ENOENT' || parent === folder || (await isFolder(parent))) throw error;
    await makeWithParents(parent, mode);
    await makeWithParents(folder, mode);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    info => info.isDirectory(),
    () => false,
  );
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
