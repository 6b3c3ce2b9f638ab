// What the service commands have in common: their flags, the words for what is done, and the doing.
import { choice } from '../../../config/kind.ts';
import { roles } from '../../../config/role.ts';
import { print, warn } from '../../../output/terminal.ts';
import { programName } from '../../../roles/own-command.ts';
import { applyPlan } from '../../../service/apply-plan.ts';
import type { Plan, Step } from '../../../service/plan.ts';
import type { ServiceTarget } from '../../../service/target.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { escapeText } from '../../../system/escape.ts';
import type { FlagTable } from '../../line/command.ts';

export const roleFlag = {
  role: { value: 'ROLE', kind: choice(...roles), help: 'which role' },
} as const satisfies FlagTable;

export const scopeFlag = {
  user: { help: 'a service of this user, not of the whole machine' },
} as const satisfies FlagTable;

export const changeFlags = {
  ...roleFlag,
  ...scopeFlag,
  root: {
    value: 'FOLDER',
    help: 'change only the files in this folder, as if it were /, and start nothing: for a package or an image',
  },
  'dry-run': { help: 'print every file and every command, and do nothing' },
} as const satisfies FlagTable;

/** Throws MusterError `usage` when no role is named. */
export function needed<T>(role: T | undefined, command: string): T {
  if (role !== undefined) return role;
  throw new MusterError('usage', `service ${command} needs --role agent or --role requester`);
}

/** The command line for this, as a person would type it. */
export function typed(
  command: string,
  flags: Readonly<Record<string, string | boolean | undefined>>,
): string {
  const given = Object.entries(flags).flatMap(([name, value]) =>
    value === undefined || value === false ? [] : value === true ? [`--${name}`] : [`--${name} ${value}`],
  );
  return [programName(), 'service', command, ...given].join(' ');
}

/** To whom a command speaks. */
export interface Voice {
  print(text: string): void;
  warn(text: string): void;
}

export const terminal: Voice = { print, warn: text => warn(text) };

interface StepWords {
  /** The service manager's program. */
  program: string | undefined;
  /** Put before every path. */
  root: string;
}

/** One step in a line; `whole` adds mode, owner and content. */
function stepText(step: Step, { program, root }: StepWords, whole: boolean): string {
  switch (step.action) {
    case 'make folder':
      return row('make', `${root}${step.path}/${whole ? rights(step) : ''}`);
    case 'write': {
      const line = row(
        step.replaces ? 'replace' : 'write',
        `${root}${step.path}${whole ? rights(step) : ''}`,
      );
      return whole ? line + indented(step.content) : line;
    }
    case 'rename':
      return row('rename', `${root}${step.path} to ${root}${step.to}`);
    case 'remove':
      return row('remove', `${root}${step.path}${step.what === 'file' ? '' : '/'}`);
    case 'run':
      return row('run', [program ?? '', ...step.args].join(' '));
    case 'await stop':
      return row('wait', 'until it has ended');
  }
}

/** Prints what `plan` does to the service `name`: with `dryRun` before, and instead of, doing it; else each step once it is done. */
export async function take(
  plan: Plan,
  { managerProgram, prefix, uid }: ServiceTarget,
  { name, dryRun, print }: { name: string; dryRun: boolean } & Pick<Voice, 'print'>,
): Promise<void> {
  const words = { program: managerProgram?.program, root: prefix };
  if (dryRun) {
    for (const step of plan.steps) print(stepText(step, words, true));
    return;
  }
  const onStep = (step: Step) => print(stepText(step, words, false));
  await applyPlan(plan, {
    managerProgram,
    name,
    root: prefix,
    mayChown: uid === 0,
    clock: systemClock,
    onStep,
  });
}

const row = (what: string, text: string): string => `${what.padEnd(9)}${escapeText(text)}\n`;

const rights = ({ mode, owner }: Extract<Step, { action: 'make folder' | 'write' }>): string =>
  ` (mode ${mode.toString(8).padStart(4, '0')}, owner ${owner.name})`;

function indented(content: string): string {
  const lines = content.replace(/\n$/, '').split('\n');
  return lines.map(line => `    | ${escapeText(line)}`.trimEnd().concat('\n')).join('');
}
