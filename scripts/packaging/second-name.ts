// The machine's own executable has a shorter name as well.
import { copyFile, link, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Gives `file` the name `name` as well, in place of what had it: both are one file, where the file system can. */
export async function giveSecondName(file: string, name: string): Promise<void> {
  // Hidden, so that what a killed build leaves is not taken for a part of a release.
  const temporary = join(dirname(name), `.${basename(name)}.${process.pid}`);
  try {
    // Copied onto, an earlier one that is the same file would lose its content.
    await rm(temporary, { force: true });
    await link(file, temporary).catch(() => copyFile(file, temporary));
    await rename(temporary, name);
  } finally {
    // Of two names of one file, rename(2) leaves both.
    await rm(temporary, { force: true });
  }
}
