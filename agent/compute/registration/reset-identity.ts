// Sets the identity of a node aside, so that its agent becomes a node of its own at the next start. A copied data folder
// needs this.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../system/errors.ts';
import { notWritable, setAside } from '../../system/files.ts';
import { identityFile, nextIdentityFile } from './identity.ts';

/** The files that say who a node is: its key, its id, and its registration. */
const isOfIdentity = (name: string): boolean =>
  name === identityFile ||
  name === nextIdentityFile ||
  name === 'node.yaml' ||
  /^[A-Za-z0-9_-]{1,128}\.registration\.json$/.test(name);

/**
 * Sets the files of the identity in an agent's folder aside, and returns their new names. `now` is a part of them, so
 * that no earlier key is ever replaced. @throws MusterError `not_writable`.
 */
export async function resetIdentity(folder: string, now: Date): Promise<string[]> {
  const suffix = `.aside-${now.toISOString().replace(/[:.-]/g, '')}`;
  try {
    const names = (await readdir(folder)).filter(isOfIdentity).sort();
    for (const name of names) await setAside(join(folder, name), suffix);
    return names.map(name => join(folder, `${name}${suffix}`));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw notWritable(folder, error);
  }
}
