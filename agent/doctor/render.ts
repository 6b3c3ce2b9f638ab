// Renders the findings as text for people and as a document for programs.
import { breakLines } from '../output/break-lines.ts';
import { printable } from '../system/printable.ts';
import { version } from '../system/version.ts';
import type { CheckPlan, OmittedFile } from './check-messages.ts';
import type { CheckResult, Finding, Status } from './checks/check.ts';

export interface Look {
  colour: boolean;
  /** Width of the terminal, in columns; undefined when the output is none, and then no line is broken. */
  columns?: number | undefined;
}

/** Returns the lines of one check: status, name, findings, and below each what to do. `width` is that of the names. */
export function renderResult({ check, findings }: CheckResult, width: number, look: Look): string {
  const margin = ' '.repeat(statusWidth + 2 + width + 2);
  // On a very narrow terminal there is no use in breaking lines after two words.
  const most = look.columns === undefined ? Infinity : Math.max(look.columns - margin.length, 40);
  const lines = (text: string) => breakLines(shown(text), most).join(`\n${margin}`);
  return findings
    .map(({ status, text, remedy }, index) => {
      const label = `${colourStatus(status, look.colour)}  ${(index === 0 ? check : '').padEnd(width)}`;
      return `${label}  ${lines(text)}\n${remedy ? `${margin}${lines(remedy)}\n` : ''}`;
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

/** Returns the document for `-o json`. */
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

/** The archive after it was written. */
export interface WrittenArchive {
  readonly file: string;
  readonly bytes: number;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly leftOut: readonly OmittedFile[];
}

/** Returns a text that lists what is in the archive and what is not, for the person who will send the archive. */
export function renderArchive({ file, bytes, files, leftOut }: WrittenArchive): string {
  const rows = files.map(each => [each.name, kilobytes(each.bytes)]);
  const missing = leftOut.map(({ what, why }) => [what, shown(why)]);
  const width = Math.max(...[...rows, ...missing].map(([name = '']) => name.length));
  const lines = (cells: readonly (readonly string[])[]) =>
    cells.map(([name = '', text]) => `  ${name.padEnd(width)}  ${text}\n`).join('');
  return [
    `\nwritten to ${shown(file)} (${kilobytes(bytes)}), which only its owner can read:\n`,
    lines(rows),
    missing.length > 0 ? `left out:\n${lines(missing)}` : '',
    'It contains no keys, tokens, passwords and sessions, and no serial numbers and addresses of the machine. The settings\n',
    'and logs in it contain names of hosts, nodes and folders: read them before you send the archive.\n',
  ].join('');
}

const kilobytes = (bytes: number) => `${Math.ceil(bytes / 1024)} KiB`;

/** Returns the worst status of the findings; `ok` when there are none. */
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
