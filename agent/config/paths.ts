// Finds the folders of the state: the data folder, and the folder of each role in it.
import { join } from 'node:path';
import { MusterError } from '../system/errors.ts';
import { type Environment, namedFolders, systemEnvironment } from './environment.ts';
import type { Role } from './role.ts';
import type { Settings } from './settings.ts';

export type FolderOwner = Role | 'broker';

type DataDir = Pick<Settings, 'dataDir'>;

/**
 * Returns the data folder: `dataDir`, otherwise the folder that the service manager names, otherwise `/var/lib/muster`
 * for root and the user's own folder for others. @throws MusterError `bad_config` when there is none.
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
 * Returns the folder in which `muster dev` stores its cluster. When the program runs from a checkout, the folder is in
 * the checkout, so that a trial leaves nothing elsewhere on this machine. Throws as `dataFolder`.
 */
export async function devFolder(
  settings: DataDir,
  environment: Environment = systemEnvironment,
): Promise<string> {
  const chosen = chosenFolder(settings, environment) ?? checkoutFolder(environment);
  return join(chosen ?? (await dataFolder(settings, environment)), 'dev');
}

/**
 * Returns the folders in which a command searches for the roles that run on this machine: the folder of `muster dev` in
 * the checkout, the data folder, and for an ordinary user also the machine's. When `dataDir` is set, only that one.
 * Throws as `dataFolder`.
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

/** Returns the folder of one role. Only this role writes there. */
export function roleFolder(dataFolder: string, role: FolderOwner): string {
  return join(dataFolder, role);
}

/** Returns the folder beside a service's data folder in which root makes what it restores into that. */
export const restoringFolder = (dataFolder: string): string => `${dataFolder}.restoring`;

/** Returns the file with the operator's token of the requester's own machine. */
export function operatorTokenFile(dataFolder: string): string {
  return join(roleFolder(dataFolder, 'requester'), 'operator.token');
}

/**
 * Returns the folder of a role's socket, which is the folder of its state. The socket is also the lock on the state. So
 * its place must not depend on who started the process: a service and a person must never run with the same identity.
 */
export function runtimeFolder(dataFolder: string, role: FolderOwner): string {
  return roleFolder(dataFolder, role);
}
