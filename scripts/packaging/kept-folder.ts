// Finds the folder in which large things are kept that were built or downloaded once, so that a new checkout finds them too.
import { access, constants, mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { checkout } from './checkout.ts';

/**
 * Makes the folder `name` in the user's cache and returns its path; in the checkout, if the cache cannot be written.
 * scripts/setup.sh keeps its nats-server beside it. The user's real home counts, because tests set another HOME.
 */
export async function keptFolder(name: string, home = userInfo().homedir): Promise<string> {
  const cache = join(home, '.cache/muster', name);
  try {
    await mkdir(cache, { recursive: true });
    await access(cache, constants.W_OK);
    return cache;
  } catch {
    const own = join(checkout, '.tools', name);
    await mkdir(own, { recursive: true });
    return own;
  }
}
