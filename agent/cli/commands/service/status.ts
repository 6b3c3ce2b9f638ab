// `muster service status` shows whether each role is a service here, its state in the service manager, and its own status.
import type { LoadedSettings } from '../../../config/load.ts';
import { type Role, roles } from '../../../config/role.ts';
import { jsonText } from '../../../output/data.ts';
import { withShownNames } from '../../../output/member-names.ts';
import { print } from '../../../output/terminal.ts';
import { isUsed } from '../../../service/inspect.ts';
import { resolveTarget, type ServiceTarget } from '../../../service/target.ts';
import { userServiceConfig } from '../../../service/user-config.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { roleFlag, scopeFlag } from './flags.ts';
import { readReport, reportText } from './service-report.ts';

export const settings = ['dataDir'] as const;

export const flags = {
  role: { ...roleFlag.role, help: 'show one role instead of both' },
  ...scopeFlag,
  output: outputFlag('text', 'json'),
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster service status', 'show both services of this machine'],
  ['muster service status --role agent -o json', 'show one of them, for a script'],
];

export async function run({ flags: given, config, load }: Argv<typeof flags>): Promise<number> {
  const target = await resolveTarget({ scope: given.user ? 'user' : 'system', root: undefined });
  // A file that is named on the command line is used in place of the file that the service reads.
  const chosen: Load = config === undefined ? load : () => load({ skipUnreadable: true });
  return showService(target, given.role ? [given.role] : roles, chosen, given.output, print);
}

type Load = (options: { skipUnreadable: true; configFile?: string }) => Promise<LoadedSettings>;

/**
 * Prints the services. Returns 0 when at least one is installed and all installed ones run, otherwise 1. A service that
 * came with a package and was never used does not count.
 */
export async function showService(
  target: ServiceTarget,
  which: readonly Role[],
  load: Load,
  output: 'text' | 'json',
  print: (text: string) => void,
): Promise<number> {
  // "config check" shows the faults of a configuration. Here a fault only means that the data folder is unknown.
  const loaded = await load({ skipUnreadable: true, ...(await userServiceConfig(target)) }).catch(error => {
    if (error instanceof MusterError) return undefined;
    throw error;
  });
  const reports = await Promise.all(which.map(role => readReport(target, role, loaded?.settings.dataDir)));
  print(output === 'json' ? jsonText(withShownNames(reports)) : reports.map(reportText).join('\n'));
  const installed = reports.filter(
    each => each.installed !== 'no' && (each.installed !== 'package' || isUsed(each)),
  );
  return installed.length > 0 && installed.every(each => each.state === 'running') ? 0 : 1;
}
