// Opens an address in the user's browser, without a shell.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Environment, findOnPath, systemEnvironment } from '../../config/environment.ts';
import { writeFileAtomic } from '../../system/files.ts';

/**
 * Opens an address that contains a secret. Returns whether a program that opens browsers was started. The address stands in a
 * file that only this user can read, because all users can read the arguments of programs.
 */
export async function openBrowser(
  address: string,
  environment: Environment = systemEnvironment,
): Promise<boolean> {
  const opener = await findOpener(environment);
  const folders = opener && (await environment.user());
  if (!opener || !folders) return false;
  const file = join(folders.cache, 'sign-in.html');
  try {
    await mkdir(folders.cache, { recursive: true, mode: 0o700 });
    await writeFileAtomic(file, redirectTo(address));
    const child = spawn(opener, [pathToFileURL(file).href], { stdio: 'ignore', detached: true });
    await once(child, 'spawn');
    child.unref();
    return true;
  } catch {
    // The address was printed, so it can be opened by hand.
    return false;
  }
}

/** Returns the program that opens the browser of this user; undefined without a screen, and for root. */
async function findOpener(environment: Environment): Promise<string | undefined> {
  const { DISPLAY, WAYLAND_DISPLAY, SSH_CONNECTION } = environment.variables;
  if (environment.root || SSH_CONNECTION) return undefined;
  if (process.platform === 'darwin') return findOnPath('open', environment);
  return DISPLAY || WAYLAND_DISPLAY ? findOnPath('xdg-open', environment) : undefined;
}

const redirectTo = (address: string): string =>
  `<!doctype html>\n<meta charset="utf-8">\n<title>muster</title>\n<meta http-equiv="refresh" content="0; url=${escaped(address)}">\n`;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
