// Finds out why a role does not run here, and how to start it.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Environment, systemEnvironment } from '../../config/environment.ts';
import { devFolder } from '../../config/paths.ts';
import type { Role } from '../../config/role.ts';
import { unitName } from '../../service/scope.ts';
import { launchdLabel } from '../../service/service-paths.ts';
import { type Finding, failed, warning } from './check.ts';
import { type Context, exists } from './context.ts';

/** Returns a failure when the role was set up here, and only a warning when it never was. */
export async function notRunning(
  context: Context,
  role: Role,
  environment: Environment = systemEnvironment,
): Promise<Finding> {
  const { data, folderOf } = context;
  const start = howToStart(role);
  if (await exists(folderOf(role))) return failed('it does not run', `start it: ${start}`);
  const node = await findDevNode(context, role, environment);
  if (node) {
    return warning(
      `it was never set up in ${data}, but by "muster dev"`,
      `check that one with: muster doctor --role ${role} --data-dir ${node}`,
    );
  }
  return warning(`it was never set up here (searched: ${data})`, `start it: ${start}`);
}

/** Returns the data folder of a role that `muster dev` made, if there is one. The checkout's comes first, as in `searchedFolders`. */
async function findDevNode(
  { data, settings }: Context,
  role: Role,
  environment: Environment,
): Promise<string | undefined> {
  for (const folder of new Set([await devFolder(settings, environment), join(data, 'dev')])) {
    const names = await readdir(folder).catch(() => []);
    const agent = names.sort().find(name => /^node-[1-9]\d*$/.test(name));
    if (agent) return join(folder, role === 'agent' ? agent : 'node-0');
  }
  return undefined;
}

/** Returns the commands that start a role in a terminal and as a service. */
export function howToStart(role: Role): string {
  const restart =
    process.platform === 'darwin'
      ? `launchctl kickstart -k system/${launchdLabel(role)}`
      : `systemctl restart ${unitName(role)}`;
  return `muster ${role}, or if it is a service: ${restart}`;
}
