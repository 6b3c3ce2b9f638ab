// Finds the data folder and the roles to check when they are not on the command line.
import { dataFolder, roleFolder, searchedFolders } from '../config/paths.ts';
import { type Role, roles } from '../config/role.ts';
import type { Settings } from '../config/settings.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import { withTimeout } from './checks/check.ts';
import { exists } from './checks/context.ts';

/** Time for the search in a folder, in milliseconds. A disk that hangs must not stop the search. */
const diskTimeoutMs = 2_000;

export interface LocalRoles {
  readonly data: string;
  readonly roles: readonly Role[];
}

/**
 * Returns the first data folder in which a role was set up, and the roles in it. When there is none, it returns the data
 * folder of this user and the agent, because most machines become agents. A folder that this user may not read counts as
 * one with roles. Throws MusterError `bad_config` when there is no data folder at all.
 */
export async function findLocalRoles(
  settings: Pick<Settings, 'dataDir'>,
  wanted: Role | undefined,
  clock: Clock = systemClock,
): Promise<LocalRoles> {
  for (const data of await searchedFolders(settings)) {
    const present = await withTimeout(clock, diskTimeoutMs, rolesIn(data));
    if (present?.length) return { data, roles: wanted ? [wanted] : present };
  }
  return { data: await dataFolder(settings), roles: [wanted ?? 'agent'] };
}

async function rolesIn(data: string): Promise<Role[]> {
  const present = await Promise.all(roles.map(role => exists(roleFolder(data, role)).catch(() => 'denied')));
  if (present.every(one => one === 'denied')) return ['agent'];
  return roles.filter((_, index) => present[index]);
}
