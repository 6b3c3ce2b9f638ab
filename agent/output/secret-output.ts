// Hands out a secret that is shown only once: on standard output, or in a new file that only its owner can read.
import { fstatSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { notWritable } from '../system/files.ts';
import { elsewhere, openNewFile } from './new-file.ts';
import { print, showMessage } from './terminal.ts';

/** The flag of the commands that make a secret. */
export const saveFlag = {
  value: 'FILE',
  help: 'write it into this new file, which only you can read, and not to standard output',
} as const;

/**
 * Makes a secret and hands out what `make` returns: in a new file when `path` names one, else on standard output. The file is
 * made first, so that no secret is made that cannot be kept. @throws MusterError `conflict` or `not_writable` for the file.
 */
export async function handOutSecret(path: string | undefined, make: () => Promise<string>): Promise<void> {
  if (path === undefined) {
    print(await make());
    warnOfReaders();
    return;
  }
  const file = await openNewFile(path);
  try {
    const text = await make();
    await file.writeFile(text).catch(error => throwNotWritable(path, error));
    await file.sync().catch(error => throwNotWritable(path, error));
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

// A shell makes the file of `>file` with the umask of the user, which lets all users read it as a rule.
function warnOfReaders(): void {
  const { mode, isFile } = standardOutput();
  if (!isFile || (mode & 0o077) === 0) return;
  showMessage(
    'Warning',
    `standard output is a file of mode ${(mode & 0o777).toString(8)}: others may read what is secret in it`,
    {
      hint: 'take the file back by chmod 600, and use --save FILE the next time',
    },
  );
}

function standardOutput(): { mode: number; isFile: boolean } {
  try {
    const stats = fstatSync(1);
    return { mode: stats.mode, isFile: stats.isFile() };
  } catch {
    // Standard output may be closed.
    return { mode: 0, isFile: false };
  }
}

function throwNotWritable(path: string, error: unknown): never {
  throw notWritable(path, error, `${elsewhere}; nobody has the secret that was made, so revoke it`);
}
