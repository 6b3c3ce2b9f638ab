// Which configuration a user's own service reads: the user's before the machine's, other than who types a command.
import { access } from 'node:fs/promises';
import { roles } from '../config/role.ts';
import { MusterError } from '../system/errors.ts';
import { type Machine, thisMachine } from './target.ts';

/** For the loader of settings: the user's own file, where the service is a user's and has one. */
export async function ownConfig({ scope, prefix, places }: Machine): Promise<{ configFile?: string }> {
  const file = prefix + places('agent').config;
  return scope === 'user' && (await isThere(file)) ? { configFile: file } : {};
}

/** The same where nobody says whose service is meant: nothing for root, and for a user who has none. */
export async function configOfOwnService(): Promise<{ configFile?: string }> {
  if (process.geteuid?.() === 0) return {};
  try {
    const machine = await thisMachine({ scope: 'user', root: undefined });
    const units = roles.map(role => machine.places(role).unit);
    return (await Promise.all(units.map(isThere))).includes(true) ? await ownConfig(machine) : {};
  } catch (error) {
    // Without a home, or a service manager.
    if (error instanceof MusterError) return {};
    throw error;
  }
}

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
