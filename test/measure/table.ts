// Formats the table that the bench prints: a line for each figure, with its budget and what it is compared with.

export interface Figure {
  what: string;
  measured: number;
  unit: Unit;
  /** The limit, in the same unit; absent when there is none. */
  budget?: { atMost: number } | { atLeast: number };
  /** The figure of another program that does the same in the same run, and other remarks. */
  beside?: string;
}

/** A figure that could not be measured, with the reason. */
export interface Failure {
  what: string;
  failed: string;
}

export type Line = Figure | Failure;

const units = {
  nanoseconds: (value: number) => `${number(value)} ns`,
  microseconds: (value: number) => `${number(value)} µs`,
  milliseconds: (value: number) => `${number(value)} ms`,
  bytes: (value: number) => `${number(value / 1e6)} MB`,
  /** Shows a share of one core in percent. */
  cores: (value: number) => `${number(value * 100)} % of a core`,
  'a second': (value: number) => `${number(value)} /s`,
  times: (value: number) => `${number(value)}×`,
  processes: (value: number) => `${number(value)}`,
} as const;
export type Unit = keyof typeof units;

const formatted = (value: number, unit: Unit): string => units[unit](value);

export function table(lines: readonly Line[]): string {
  const rows = lines.map(line =>
    'failed' in line
      ? [line.what, 'failed', '', '', line.failed]
      : [line.what, formatted(line.measured, line.unit), ...comparedWithBudget(line), line.beside ?? ''],
  );
  const all = [['WHAT', 'MEASURED', 'BUDGET', 'AGAINST IT', 'BESIDE IT'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map(row => row[column]?.length ?? 0))) ?? [];
  return all
    .map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map(text => `${text.trimEnd()}\n`)
    .join('');
}

function comparedWithBudget({ measured, unit, budget }: Figure): [string, string] {
  if (!budget) return ['', ''];
  const [sign, limit, met] =
    'atMost' in budget
      ? ['≤', budget.atMost, measured <= budget.atMost]
      : ['≥', budget.atLeast, measured >= budget.atLeast];
  // `|| 0` removes the sign of a negative zero.
  const ratio = limit === 0 ? '' : `${(Math.round((measured / limit) * 100) / 100 || 0).toFixed(2)}×`;
  const distance =
    limit === 0 ? formatted(measured, unit) : `${Math.round(Math.abs(measured / limit - 1) * 100)} %`;
  const verdict = met ? 'ok' : `${sign === '≤' ? 'over' : 'short'} by ${distance}`;
  return [`${sign} ${formatted(limit, unit)}`, [ratio, verdict].filter(Boolean).join(' ')];
}

/** Writes three significant digits, with spaces between thousands. */
function number(value: number): string {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return Number(value.toPrecision(3))
    .toFixed(Math.min(digits, 3))
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '')
    .replace(/\B(?=(\d{3})+$)/g, ' ');
}
