// Reads the state of a service from its files, its manager and the role itself, and writes it for a person.
import { join } from 'node:path';
import type { Role } from '../../../config/role.ts';
import { sectionsText } from '../../../output/sections.ts';
import type { TextRow } from '../../../protocol/explanation.ts';
import { timeText } from '../../../protocol/unit-text.ts';
import { findFolderProblem } from '../../../service/folder-problem.ts';
import { inspect } from '../../../service/inspect.ts';
import type { Inspection, ServiceState } from '../../../service/plan.ts';
import { readSeal } from '../../../service/seal.ts';
import type { ServicePaths } from '../../../service/service-paths.ts';
import type { ServiceTarget } from '../../../service/target.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { askHolder } from '../../../system/role-socket.ts';
import { type RoleStatus, statusText } from '../status-text.ts';

/** The report about one service. `service status -o json` prints these members, with the names of all JSON of muster. */
export interface ServiceReport {
  role: Role;
  name: string;
  manager: string;
  scope: string;
  /**
   * Whether the unit is installed. `changed`: somebody edited it after muster wrote it; `foreign`: muster did not write
   * it; `package`: a package installed it.
   */
  installed: 'yes' | 'no' | 'changed' | 'foreign' | 'package';
  file: string | null;
  enabled: boolean;
  state: ServiceState['state'];
  /** The state in the service manager's words. */
  managerState: string;
  since: string | null;
  pid: number | null;
  /** The status text that the role sends to the service manager. */
  says: string | null;
  ended: string | null;
  /**
   * The reason why the folders of the service could not be set up, and what to do; null when the service did not end
   * because of that.
   */
  trouble: string | null;
  restarts: number | null;
  /** The status that the role returns, as in `muster status`; null when the role does not run or does not answer. */
  status: RoleStatus | null;
  /** The reason why the role did not answer. */
  statusError: string | null;
}

/** Reads the report. `dataDir` is the data folder in the settings, if there is one. */
export async function readReport(
  target: ServiceTarget,
  role: Role,
  dataDir: string | undefined,
): Promise<ServiceReport> {
  const { manager, scope, prefix } = target;
  const paths = target.paths(role);
  const inspection = await inspect(target, role);
  const { service } = inspection;
  const folder = join(dataDir ?? prefix + paths.dataFolder, role);
  const problem = service && (await findFolderProblem(service, paths));
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
    trouble: problem ? [problem.what, problem.remedy].filter(Boolean).join('; to mend it: ') : null,
    restarts: service?.restarts ?? null,
    ...(await askRole(folder)),
  };
}

async function askRole(folder: string): Promise<Pick<ServiceReport, 'status' | 'statusError'>> {
  try {
    const status = await askHolder(folder, { command: 'status' });
    return { status: (status as RoleStatus | undefined) ?? null, statusError: null };
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    return { status: null, statusError: error.hint ? `${error.message}; ${error.hint}` : error.message };
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

const remarks: Record<ServiceReport['installed'], string> = {
  yes: '',
  no: '',
  changed: ' (changed since it was installed)',
  foreign: ' (not written by muster)',
  package: ' (from a package)',
};

/** Returns the report for people, with the role's own status below it. */
export function reportText(report: ServiceReport): string {
  const { installed, file, state } = report;
  const rows: TextRow[] = [
    ['installed', file === null ? 'no' : `${file}${remarks[installed]}`],
    ...(installed !== 'no' || state !== 'stopped' ? stateRows(report) : []),
  ];
  const status = report.status ? `\n${statusText(report.status)}` : '';
  return sectionsText([{ title: report.name, rows }]) + status;
}

function stateRows(report: ServiceReport): TextRow[] {
  const { manager, scope, enabled, state, managerState, since, pid, says, ended, restarts } = report;
  const when = since === null ? '' : ` since ${timeText(since, systemClock.now())}`;
  const row = (label: string, value: string | null): TextRow[] => (value === null ? [] : [[label, value]]);
  return [
    ['starts', enabled ? (scope === 'system' ? 'at boot' : 'when the user logs in') : 'by hand only'],
    ['state', `${state}${when}${managerState === '' ? '' : `; ${manager}: ${managerState}`}`],
    ...row('process', pid === null ? null : String(pid)),
    ...row('says', says),
    ...row('last end', ended === null ? null : `${ended}${endText(report)}`),
    ...row('because', report.trouble),
    ...row('restarts', restarts ? String(restarts) : null),
    ...row('no answer', report.statusError),
  ];
}

const meanings: Record<string, string> = {
  'exit code 64': ' (wrong usage)',
  'exit code 78': ' (bad configuration)',
};

/** Returns the meaning of the exit code, and the command that shows the log while the service is down. */
function endText({ ended, state, manager, scope, name }: ServiceReport): string {
  const meaning = meanings[ended ?? ''] ?? '';
  if (manager !== 'systemd' || state === 'running') return meaning;
  return `${meaning}; why: journalctl --${scope === 'user' ? 'user-' : ''}unit=${name}`;
}
