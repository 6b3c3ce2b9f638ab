// Which folder and which roles are looked at, where nobody says.
import { roleFolder, searchedFolders } from '../config/paths.ts';
import { type Role, roles } from '../config/role.ts';
import type { Settings } from '../config/settings.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import { within } from './checks/check.ts';
import { isThere } from './checks/context.ts';

/** Milliseconds for what a disk says before anything else is looked at. */
const patience = 2_000;

export interface Whereabouts {
  readonly data: string;
  readonly roles: readonly Role[];
}

/**
 * The first folder in which a role was set up, and those roles; where none was, the first folder, and the agent: that is
 * what most machines become. A folder that this user may not look into has something in it, as far as is known.
 * Throws MusterError `bad_config` where there is no folder at all.
 */
export async function whereabouts(
  settings: Pick<Settings, 'dataDir'>,
  wanted: Role | undefined,
  clock: Clock = systemClock,
): Promise<Whereabouts> {
  const folders = await searchedFolders(settings);
  for (const data of folders) {
    const found = await within(clock, patience, rolesIn(data));
    if (found?.length) return { data, roles: wanted ? [wanted] : found };
  }
  return { data: folders[0] ?? '/', roles: [wanted ?? 'agent'] };
}

async function rolesIn(data: string): Promise<Role[]> {
  const there = await Promise.all(roles.map(role => isThere(roleFolder(data, role)).catch(() => 'closed')));
  if (there.every(one => one === 'closed')) return ['agent'];
  return roles.filter((_, index) => there[index]);
}
