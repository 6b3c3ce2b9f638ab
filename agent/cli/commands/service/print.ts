// `muster service print` prints the unit, or the property list, that an installation would write.
import { systemEnvironment } from '../../../config/environment.ts';
import { choice } from '../../../config/kind.ts';
import { print } from '../../../output/terminal.ts';
import { usualExecutable } from '../../../roles/own-command.ts';
import { createServiceFiles, gpuGroups } from '../../../service/service-files.ts';
import { servicePathsOf } from '../../../service/service-paths.ts';
import { localManager, systemdVersion } from '../../../service/target.ts';
import { isPackaged } from '../../../system/packaged.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { executableFlag, requireRole, roleFlag, scopeFlag } from './flags.ts';

export const flags = {
  ...roleFlag,
  ...scopeFlag,
  manager: {
    value: 'NAME',
    kind: choice('systemd', 'launchd'),
    help: 'print it for this service manager instead of the one here',
  },
  ...executableFlag,
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster service print --role agent', 'show the unit that install would write'],
  ['muster service print --role agent --manager launchd', 'show the property list for macOS'],
];

export async function run({ flags: given }: Argv<typeof flags>): Promise<number> {
  const role = requireRole(given.role, 'print');
  const manager = given.manager ?? localManager();
  const scope = given.user ? 'user' : 'system';
  const paths = servicePathsOf(manager, scope, role, await systemEnvironment.user());
  const executable = given.executable ?? (isPackaged() ? process.execPath : usualExecutable);
  const [systemd, groups] = await Promise.all([systemdVersion(), gpuGroups('')]);
  const parameters = { manager, role, scope, executable, systemd, groups } as const;
  print((await createServiceFiles(parameters, paths)).unit.content);
  return 0;
}
