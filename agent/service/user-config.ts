// Which configuration a user's own service reads: the user's before the machine's, other than who types a command.
import { access } from 'node:fs/promises';
import { roles } from '../config/role.ts';
import { MusterError } from '../system/errors.ts';
import { resolveTarget, type ServiceTarget } from './target.ts';

/** For the loader of settings: the user's own file, where the service is a user's and has one. */
export async function userServiceConfig({
  scope,
  prefix,
  paths,
}: ServiceTarget): Promise<{ configFile?: string }> {
  const file = prefix + paths('agent').config;
  return scope === 'user' && (await exists(file)) ? { configFile: file } : {};
}

/** The same where nobody says whose service is meant: nothing for root, and for a user who has none. */
export async function configOfUserService(): Promise<{ configFile?: string }> {
  if (process.geteuid?.() === 0) return {};
  try {
    const machine = await resolveTarget({ scope: 'user', root: undefined });
    const units = roles.map(role => machine.paths(role).unit);
    return (await Promise.all(units.map(exists))).includes(true) ? await userServiceConfig(machine) : {};
  } catch (error) {
    // Without a home, or a service manager.
    if (error instanceof MusterError) return {};
    throw error;
  }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
