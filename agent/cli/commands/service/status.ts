// `muster service status`: whether a role is a service here, how its service manager sees it, and what it says itself.
import { join } from 'node:path';
import type { LoadedSettings } from '../../../config/load.ts';
import { type Role, roles } from '../../../config/role.ts';
import { jsonText } from '../../../output/data.ts';
import { print } from '../../../output/terminal.ts';
import { timeText } from '../../../output/units.ts';
import { findFolderProblem } from '../../../service/folder-problem.ts';
import { inspect, isUsed } from '../../../service/inspect.ts';
import type { Inspection, ServiceState } from '../../../service/plan.ts';
import { readSeal } from '../../../service/seal.ts';
import type { ServicePaths } from '../../../service/service-paths.ts';
import { resolveTarget, type ServiceTarget } from '../../../service/target.ts';
import { userServiceConfig } from '../../../service/user-config.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import { askHolder } from '../../../system/role-socket.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { type RoleStatus, statusText } from '../status.ts';
import { roleFlag, scopeFlag } from './flags.ts';

export const settings = ['dataDir'] as const;

export const flags = {
  role: { ...roleFlag.role, help: 'which role; without it, both' },
  ...scopeFlag,
  output: outputFlag('text', 'json'),
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster service status', 'show both services of this machine'],
  ['muster service status --role agent -o json', 'show one of them, for a script'],
];

export async function run({ flags: given, config, load }: Argv<typeof flags>): Promise<number> {
  const target = await resolveTarget({ scope: given.user ? 'user' : 'system', root: undefined });
  // What is named on the command line goes before what the service reads.
  const named: Load = config === undefined ? load : () => load({ skipUnreadable: true });
  return showService(target, given.role ? [given.role] : roles, named, given.output, print);
}

type Load = (options: { skipUnreadable: true; configFile?: string }) => Promise<LoadedSettings>;

export interface ServiceReport {
  role: Role;
  name: string;
  manager: string;
  scope: string;
  /** `changed`: since muster wrote it; `foreign`: muster did not write it; `package`: a package did. */
  installed: 'yes' | 'no' | 'changed' | 'foreign' | 'package';
  file: string | null;
  enabled: boolean;
  state: ServiceState['state'];
  /** The manager's own word for it. */
  managerState: string;
  since: string | null;
  pid: number | null;
  /** What it tells the manager of itself. */
  says: string | null;
  ended: string | null;
  /** What ended it and what to do, where its folders could not be set up. */
  trouble: string | null;
  restarts: number | null;
  /** What `muster status` says; null when it does not run, or does not answer. */
  status: RoleStatus | null;
  /** Why it did not answer. */
  statusError: string | null;
}

/**
 * Prints the services; answers 0 when at least one is installed and all that are run, 1 otherwise. One that came with a package
 * and is not used is not missed.
 */
export async function showService(
  target: ServiceTarget,
  which: readonly Role[],
  load: Load,
  output: 'text' | 'json',
  print: (text: string) => void,
): Promise<number> {
  // A configuration with faults is told by "config check"; where the state is, it cannot say then.
  const loaded = await load({ skipUnreadable: true, ...(await userServiceConfig(target)) }).catch(error => {
    if (error instanceof MusterError) return undefined;
    throw error;
  });
  const reports = await Promise.all(which.map(role => report(target, role, loaded?.settings.dataDir)));
  print(output === 'json' ? jsonText(reports) : reports.map(text).join('\n'));
  const installed = reports.filter(
    each => each.installed !== 'no' && (each.installed !== 'package' || isUsed(each)),
  );
  return installed.length > 0 && installed.every(each => each.state === 'running') ? 0 : 1;
}

async function report(
  target: ServiceTarget,
  role: Role,
  dataDir: string | undefined,
): Promise<ServiceReport> {
  const { manager, scope, prefix } = target;
  const paths = target.paths(role);
  const inspection = await inspect(target, role);
  const { service } = inspection;
  const folder = join(dataDir ?? prefix + paths.dataFolder, role);
  const { status, why } = await ask(folder);
  const trouble = service && (await findFolderProblem(service, paths));
  return {
    role,
    name: paths.name,
    manager,
    scope,
    ...installation(paths, inspection),
    enabled: service?.enabled ?? false,
    state: service?.state ?? 'stopped',
    managerState: service?.managerState ?? '',
    since: service?.since?.toISOString() ?? null,
    pid: service?.pid ?? null,
    says: service?.statusText ?? null,
    ended: service?.ended ?? null,
    trouble: trouble ? [trouble.what, trouble.remedy].filter(Boolean).join('; to mend it: ') : null,
    restarts: service?.restarts ?? null,
    status,
    statusError: why,
  };
}

async function ask(folder: string): Promise<{ status: RoleStatus | null; why: string | null }> {
  try {
    const status = await askHolder(folder, { command: 'status' });
    return { status: (status as RoleStatus | undefined) ?? null, why: null };
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    return { status: null, why: error.hint ? `${error.message}; ${error.hint}` : error.message };
  }
}

function installation(
  { unit }: ServicePaths,
  { files, packaged }: Inspection,
): Pick<ServiceReport, 'installed' | 'file'> {
  const existing = files.get(unit);
  if (existing === undefined) return { installed: packaged ? 'package' : 'no', file: packaged ?? null };
  const seal = existing.kind === 'text' ? readSeal(existing.text) : 'none';
  const installed = { whole: 'yes', changed: 'changed', none: 'foreign' } as const;
  return { installed: installed[seal], file: unit };
}

const words: Record<ServiceReport['installed'], string> = {
  yes: '',
  no: '',
  changed: ' (changed since it was installed)',
  foreign: ' (not written by muster)',
  package: ' (from a package)',
};

function text(report: ServiceReport): string {
  const { installed, file, enabled, state, managerState, since, pid, says, ended, restarts } = report;
  const rows: [string, string][] = [['installed', file === null ? 'no' : `${file}${words[installed]}`]];
  if (installed !== 'no' || state !== 'stopped') {
    const when = since === null ? '' : ` since ${timeText(since, systemClock.now())}`;
    rows.push([
      'starts',
      enabled ? (report.scope === 'system' ? 'at boot' : 'when the user logs in') : 'by hand only',
    ]);
    rows.push([
      'state',
      `${state}${when}${managerState === '' ? '' : `; ${report.manager}: ${managerState}`}`,
    ]);
    if (pid !== null) rows.push(['process', String(pid)]);
    if (says !== null) rows.push(['says', says]);
    if (ended !== null) rows.push(['last end', `${ended}${lastEnd(report)}`]);
    if (report.trouble !== null) rows.push(['because', report.trouble]);
    if (restarts) rows.push(['restarts', String(restarts)]);
    if (report.statusError !== null) rows.push(['no answer', report.statusError]);
  }
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, value]) => `  ${label.padEnd(width)}  ${printable(value)}\n`);
  return `${printable(report.name)}\n${lines.join('')}${report.status ? `\n${statusText(report.status)}` : ''}`;
}

const meanings: Record<string, string> = {
  'exit code 64': ' (wrong usage)',
  'exit code 78': ' (bad configuration)',
};

/** What more there is to say of how it ended, and where its own words are while it is down. */
function lastEnd({ ended, state, manager, scope, name }: ServiceReport): string {
  const meaning = meanings[ended ?? ''] ?? '';
  if (manager !== 'systemd' || state === 'running') return meaning;
  return `${meaning}; why: journalctl --${scope === 'user' ? 'user-' : ''}unit=${name}`;
}
