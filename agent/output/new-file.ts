// Makes a file that only its owner can read, and never replaces one.
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf, MusterError } from '../system/errors.ts';
import { notWritable } from '../system/files.ts';

/** What to do when the file cannot be written there. */
export const elsewhere = 'choose another folder';

/** Opens a new file. @throws MusterError `conflict` when there is one already; `not_writable`. */
export async function openNewFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw notWritable(path, error, elsewhere);
    throw new MusterError('conflict', `${path} exists already, and is not overwritten`, {
      hint: 'choose another name, or remove it',
    });
  }
}
