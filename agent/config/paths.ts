// Where state lives: the data folder, the folder of each role in it, the sockets and the cache.
import { join } from 'node:path';
import { MusterError } from '../system/errors.ts';
import { type Environment, namedFolders, systemEnvironment } from './environment.ts';
import type { Role } from './role.ts';
import type { Settings } from './settings.ts';

export type FolderOwner = Role | 'broker';

type DataDir = Pick<Settings, 'dataDir'>;

/**
 * `dataDir`, else what the service manager names, else `/var/lib/muster` for root, else the user's own.
 * @throws MusterError `bad_config` when there is none.
 */
export async function dataFolder(
  settings: DataDir,
  environment: Environment = systemEnvironment,
): Promise<string> {
  const named = settings.dataDir ?? namedFolders(environment, 'STATE_DIRECTORY')[0];
  if (named) return named;
  const folders = environment.root ? environment.machine : await environment.user();
  if (folders) return folders.data;
  throw new MusterError(
    'bad_config',
    'no folder for data: dataDir is not set, and this user has no home folder',
    {
      hint: 'set dataDir in the configuration file, or MUSTER_DATA_DIR',
    },
  );
}

/**
 * Where a command looks for a role that runs on this machine: in the data folder, and for an ordinary user, whose own that is,
 * in the machine's too. A `dataDir` that is set is the only one. Throws as `dataFolder`.
 */
export async function searchedFolders(
  settings: DataDir,
  environment: Environment = systemEnvironment,
): Promise<string[]> {
  const own = await dataFolder(settings, environment);
  return settings.dataDir || own === environment.machine.data ? [own] : [own, environment.machine.data];
}

/** The folder of one role: nobody else writes there. */
export function roleFolder(dataFolder: string, role: FolderOwner): string {
  return join(dataFolder, role);
}

/**
 * Where a role's socket is: with its state. The socket is also the lock on that state, so it must not depend on who started
 * the process: a service and a hand find the same one, and two of them never run on one identity.
 */
export function runtimeFolder(dataFolder: string, role: FolderOwner): string {
  return roleFolder(dataFolder, role);
}
