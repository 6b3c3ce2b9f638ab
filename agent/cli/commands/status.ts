// `muster status` shows the state of the roles that run on this machine. It asks them through the sockets in their folders.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadedSettings } from '../../config/load.ts';
import { runtimeFolder, searchedFolders } from '../../config/paths.ts';
import type { Role } from '../../config/role.ts';
import { jsonText } from '../../output/data.ts';
import { withShownNames } from '../../output/member-names.ts';
import { print } from '../../output/terminal.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { askHolder } from '../../system/role-socket.ts';
import type { Argv, Example, FlagTable } from '../line/command.ts';
import { outputFlag } from '../line/output-flag.ts';
import { type ShownRole, type SilentRole, statusText } from './status-text.ts';

export const settings = ['dataDir'] as const;

export const flags = {
  output: outputFlag('text', 'json'),
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster status', 'show the roles that run here'],
  ['muster status -o json --data-dir /srv/muster', 'for a script; the state is in another folder'],
];

export const run = ({ load, flags: { output } }: Argv<typeof flags>): Promise<number> =>
  showStatus(() => load({ skipUnreadable: true }), output, print);

/**
 * Prints the roles that run here, and returns 1 when something keeps one of them from doing its work. Throws MusterError
 * `unreachable` when no role runs here, `not_allowed` when this user may ask none of them.
 */
export async function showStatus(
  load: () => Promise<LoadedSettings>,
  output: 'text' | 'json',
  print: (text: string) => void,
): Promise<number> {
  const { settings } = await load();
  const folders = await searchedFolders(settings);
  const roles = await firstRoles(folders);
  if (roles.length === 0) {
    throw new MusterError(
      'unreachable',
      `no agent and no requester runs here (looked in ${folders.join(' and ')})`,
      {
        hint: 'start one with: muster agent, muster requester or muster dev; for another folder: --data-dir',
      },
    );
  }
  print(output === 'json' ? jsonText(withShownNames(roles)) : roles.map(statusText).join('\n'));
  return roles.some(({ troubles = [] }) => troubles.length > 0) ? 1 : 0;
}

/** Returns the roles of the first folder in which a role runs. */
async function firstRoles(folders: string[]): Promise<ShownRole[]> {
  for (const folder of folders) {
    const roles = await rolesIn(folder);
    if (roles.length > 0) return roles;
  }
  return [];
}

async function rolesIn(data: string): Promise<ShownRole[]> {
  const dev = join(data, 'dev');
  const names = await readdir(dev).catch(() => []);
  const folders = [data, ...names.sort().map(name => join(dev, name))];
  const asked = folders.flatMap(folder => [askRole(folder, 'requester'), askRole(folder, 'agent')]);
  const found = (await Promise.all(asked)).filter(status => status !== undefined);
  const answered = found.filter((status): status is ShownRole => !(status instanceof MusterError));
  const refusal = found.find(status => status instanceof MusterError);
  if (refusal && answered.length === 0) throw refusal;
  return answered;
}

/**
 * Asks a role for its status. Returns undefined when it does not run, and the error when this user may not ask it. A role
 * that does not answer gets a status that says so, because the others must still be shown.
 */
async function askRole(data: string, role: Role): Promise<ShownRole | MusterError | undefined> {
  try {
    return (await askHolder(runtimeFolder(data, role), { command: 'status' })) as ShownRole | undefined;
  } catch (error) {
    if (error instanceof MusterError && error.code === 'not_allowed') return error;
    const hint = 'it hangs or is suspended: look at its log, then restart it';
    const trouble = { code: 'no_answer', text: reasonOf(error), hint } as const;
    return { role, state: 'silent', troubles: [trouble] } satisfies SilentRole;
  }
}
