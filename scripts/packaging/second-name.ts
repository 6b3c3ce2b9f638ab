// Gives a file a second name, as a hard link. The executable for the machine's own kind gets a shorter name with it.
import { copyFile, link, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Gives `file` the second name `name`, and replaces an earlier file of this name. Where no hard link is possible, it makes
 * a copy.
 */
export async function giveSecondName(file: string, name: string): Promise<void> {
  // The temporary name is hidden, so what a killed build leaves is not taken for a part of a release.
  const temporary = join(dirname(name), `.${basename(name)}.${process.pid}`);
  try {
    // A killed build may have left a link to the same file under this name. A copy onto that link would empty the file.
    await rm(temporary, { force: true });
    await link(file, temporary).catch(() => copyFile(file, temporary));
    await rename(temporary, name);
  } finally {
    // rename(2) leaves both names when they are names of the same file.
    await rm(temporary, { force: true });
  }
}
