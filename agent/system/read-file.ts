// Reads small files: those that operators name, the program's own state, and those of the system.
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf, MusterError, reasonOf } from './errors.ts';
import { RefusedLink } from './path-trust.ts';
import { openSafely } from './safe-open.ts';

/**
 * Reads the file `path` of at most `limitBytes`, under the rules of `openSafely`. Returns undefined when there is no such
 * file. @throws MusterError `bad_state` when it is larger, is not a regular file, may have been planted by somebody else,
 * or cannot be read.
 */
export async function readBounded(path: string, limitBytes = 65_536): Promise<Buffer | undefined> {
  return (await readAndClose(path, limitBytes, () => openSafely(path)))?.data;
}

/** A file of the program's own state: its content, and what the system says of it. */
export interface OwnFile {
  data: Buffer;
  info: Stats;
}

/** Reads a file of the program's own state as `readBounded` does, and refuses every link. */
export async function readOwnFile(path: string, limitBytes = 65_536): Promise<OwnFile | undefined> {
  return readAndClose(path, limitBytes, () => openSafely(path, { refuseLastLink: true }));
}

/** Reads a file of the kernel or of the system as `readBounded` does, and follows every link. Only root writes there. */
export async function readSystemFile(path: string, limitBytes = 65_536): Promise<Buffer | undefined> {
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  return (await readAndClose(path, limitBytes, () => open(path, flags)))?.data;
}

async function readAndClose(
  path: string,
  limitBytes: number,
  openIt: () => Promise<FileHandle>,
): Promise<OwnFile | undefined> {
  try {
    const file = await openIt();
    try {
      const info = await file.stat();
      return { data: await readAll(file, info, limitBytes), info };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    const hint =
      error instanceof RefusedLink
        ? `put the file itself there if you made the link; otherwise remove it: rm ${path}`
        : undefined;
    throw new MusterError('bad_state', `cannot read ${path}: ${reasonOf(error)}`, { hint, cause: error });
  }
}

/** Room for most files of the kernel, which says nothing of their size. */
const usualBytes = 16_384;

async function readAll(file: FileHandle, info: Stats, limitBytes: number): Promise<Buffer> {
  if (!info.isFile()) throw new Error('not a regular file');
  if (info.size > limitBytes) throw new Error(`larger than ${limitBytes} bytes`);
  // The kernel returns many of its own files one page at a time, and says of most that they are empty. So such a file ends only
  // when a read returns 0 bytes.
  const parts: Buffer[] = [];
  let length = 0;
  while (length === 0 || length !== info.size) {
    const part = Buffer.alloc(Math.max(info.size - length + 1, usualBytes));
    const { bytesRead } = await file.read(part, 0, part.length, length);
    if (bytesRead === 0) break;
    parts.push(part.subarray(0, bytesRead));
    length += bytesRead;
    if (length > limitBytes) throw new Error(`larger than ${limitBytes} bytes`);
  }
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts, length);
}
