// The findings for people and for programs.
import { printable } from '../system/printable.ts';
import { version } from '../system/version.ts';
import type { CheckPlan, OmittedFile } from './check-messages.ts';
import type { CheckResult, Finding, Status } from './checks/check.ts';

/** The findings of a check as lines: how it stands, which it is, what was found, and below it what to do. */
export function renderResult({ check, findings }: CheckResult, width: number, colour: boolean): string {
  return findings
    .map(({ status, text, remedy }, index) => {
      const label = `${colourStatus(status, colour)}  ${(index === 0 ? check : '').padEnd(width)}`;
      const below = remedy ? `${' '.repeat(statusWidth + 2 + width)}  ${shown(remedy)}\n` : '';
      return `${label}  ${shown(text)}\n${below}`;
    })
    .join('');
}

export function renderHead({ roles, data }: CheckPlan): string {
  const which = roles.length > 0 ? [roles.join(' and ')] : [];
  const where = data === undefined ? [] : [`data in ${shown(data)}`];
  return `${[`muster ${version}`, ...which, ...where].join(', ')}\n`;
}

export function renderSummary(results: readonly CheckResult[]): string {
  const count = (status: Status) => allFindings(results).filter(finding => finding.status === status).length;
  const parts = [
    countText(count('failed'), 'failed', 'failed'),
    countText(count('warning'), 'warning', 'warnings'),
  ];
  return `\n${parts.flatMap(part => part ?? []).join(', ') || 'all is well'}\n`;
}

/** The document of `-o json`. */
export function resultsDocument({ roles, data }: CheckPlan, results: readonly CheckResult[], time: Date) {
  return {
    muster: version,
    time: time.toISOString(),
    roles,
    ...(data === undefined ? {} : { dataFolder: data }),
    status: worstStatus(allFindings(results)),
    checks: results.map(({ check, findings }) => ({ check, status: worstStatus(findings), findings })),
  };
}

/** An archive, once it is written. */
export interface WrittenArchive {
  readonly file: string;
  readonly bytes: number;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly leftOut: readonly OmittedFile[];
}

/** What is in an archive and what is not, for whoever is to pass it on. */
export function renderArchive({ file, bytes, files, leftOut }: WrittenArchive): string {
  const rows = files.map(each => [each.name, kilobytes(each.bytes)]);
  const missing = leftOut.map(({ what, why }) => [what, shown(why)]);
  const width = Math.max(...[...rows, ...missing].map(([name = '']) => name.length));
  const lines = (cells: readonly (readonly string[])[]) =>
    cells.map(([name = '', text]) => `  ${name.padEnd(width)}  ${text}\n`).join('');
  return [
    `\nwritten to ${shown(file)} (${kilobytes(bytes)}), for its owner only:\n`,
    lines(rows),
    missing.length > 0 ? `left out:\n${lines(missing)}` : '',
    'Keys, tokens, passwords and sessions are never in it, nor serial numbers and addresses of the machine. Names of\n',
    'hosts, nodes and folders are, in the settings and the logs: look through it before you pass it on.\n',
  ].join('');
}

const kilobytes = (bytes: number) => `${Math.ceil(bytes / 1024)} KiB`;

/** The worst that was found; nothing found is well. */
export function worstStatus(findings: readonly Finding[]): Status {
  const statuses = findings.map(({ status }) => status);
  return (['failed', 'warning'] as const).find(status => statuses.includes(status)) ?? 'ok';
}

const allFindings = (results: readonly CheckResult[]) => results.flatMap(({ findings }) => findings);
const countText = (count: number, one: string, more: string) =>
  count === 0 ? undefined : `${count} ${count === 1 ? one : more}`;
const shown = (text: string) => printable(text, 2048);

const statusWidth = 'warning'.length;
const colours: Record<Status, number> = { ok: 32, warning: 33, failed: 31 };

function colourStatus(status: Status, colour: boolean): string {
  const word = status.padEnd(statusWidth);
  return colour ? `\u001b[${colours[status]}m${word}\u001b[0m` : word;
}
