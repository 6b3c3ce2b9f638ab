// Where state lives: the data folder, the folder of each role in it, the sockets and the cache.
import { join } from 'node:path';
import { MusterError } from '../system/errors.ts';
import { type Environment, namedFolders, systemEnvironment } from './environment.ts';
import type { Role } from './role.ts';
import type { Settings } from './settings.ts';

export type FolderOwner = Role | 'broker';

type DataDir = Pick<Settings, 'dataDir'>;

/**
 * Returns `dataDir`, else the folder that the service manager names, else `/var/lib/muster` for root, else the user's own.
 * @throws MusterError `bad_config` when there is none.
 */
export async function dataFolder(
  settings: DataDir,
  environment: Environment = systemEnvironment,
): Promise<string> {
  const chosen = chosenFolder(settings, environment);
  if (chosen) return chosen;
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
 * Returns the folder in which `muster dev` keeps its cluster. From a checkout it is in the checkout, so that trying the program
 * out leaves nothing in the folders of this machine. Throws as `dataFolder`.
 */
export async function devFolder(
  settings: DataDir,
  environment: Environment = systemEnvironment,
): Promise<string> {
  const chosen = chosenFolder(settings, environment) ?? checkoutFolder(environment);
  return join(chosen ?? (await dataFolder(settings, environment)), 'dev');
}

/**
 * Returns the folders in which a command searches for the roles that run on this machine: the checkout, for `muster dev`; the
 * data folder; and for an ordinary user also the machine's. A `dataDir` that is set is the only one. Throws as `dataFolder`.
 */
export async function searchedFolders(
  settings: DataDir,
  environment: Environment = systemEnvironment,
): Promise<string[]> {
  const own = await dataFolder(settings, environment);
  if (settings.dataDir) return [own];
  const checkout = checkoutFolder(environment);
  return [...new Set([...(checkout ? [checkout] : []), own, environment.machine.data])];
}

/** Returns the folder that an operator or a service manager has chosen. */
function chosenFolder({ dataDir }: DataDir, environment: Environment): string | undefined {
  return dataDir ?? namedFolders(environment, 'STATE_DIRECTORY')[0];
}

function checkoutFolder({ checkout }: Environment): string | undefined {
  return checkout && join(checkout, '.tools');
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
