// Finds the configuration that a user's service reads: the user's own file comes before the machine's. Commands in a
// terminal read the machine's first.
import { access } from 'node:fs/promises';
import { roles } from '../config/role.ts';
import { MusterError } from '../system/errors.ts';
import { resolveTarget, type ServiceTarget } from './target.ts';

/** Returns options for the loader of settings: the user's own file, if it is a user's service and the file exists. */
export async function userServiceConfig({
  scope,
  prefix,
  paths,
}: ServiceTarget): Promise<{ configFile?: string }> {
  const file = prefix + paths('agent').config;
  return scope === 'user' && (await exists(file)) ? { configFile: file } : {};
}

/**
 * Returns the same options for a command that does not know the service. They are empty for root, and for a user without
 * a service.
 */
export async function configOfUserService(): Promise<{ configFile?: string }> {
  if (process.geteuid?.() === 0) return {};
  try {
    const target = await resolveTarget({ scope: 'user', root: undefined });
    const units = roles.map(role => target.paths(role).unit);
    return (await Promise.all(units.map(exists))).includes(true) ? await userServiceConfig(target) : {};
  } catch (error) {
    // The user has no home folder, or there is no service manager.
    if (error instanceof MusterError) return {};
    throw error;
  }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
