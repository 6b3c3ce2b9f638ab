// Reads the completion scripts. They are shell files beside this file, and assets of the packaged file.
import { readFile } from 'node:fs/promises';
import { isPackaged, readAsset } from '../../system/packaged.ts';

export type Shell = 'bash' | 'zsh' | 'fish';

/** Returns the text that `shell` has to read. */
export async function completionScript(shell: Shell): Promise<string> {
  if (isPackaged()) return Buffer.from(readAsset(shell)).toString('utf8');
  return readFile(new URL(`./muster.${shell}`, import.meta.url), 'utf8');
}
