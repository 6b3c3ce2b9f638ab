// Shows the plan of a service command, or carries it out and shows each step.
import { print, warn } from '../../../output/terminal.ts';
import { applyPlan } from '../../../service/apply-plan.ts';
import type { Plan, Step } from '../../../service/plan.ts';
import type { ServiceTarget } from '../../../service/target.ts';
import { systemClock } from '../../../system/clock.ts';
import { escapeText } from '../../../system/escape.ts';
import { redacted } from '../../../system/secrets.ts';

/** The functions by which a service command shows its results and its warnings. */
export interface Output {
  print(text: string): void;
  warn(text: string): void;
}

export const terminal: Output = { print, warn };

/**
 * Shows all of `plan` with `dryRun`. Otherwise it carries out the plan and shows each step when it is done. `name` is the
 * service.
 */
export async function carryOut(
  plan: Plan,
  { managerProgram, prefix, uid }: ServiceTarget,
  { name, dryRun, print }: { name: string; dryRun: boolean } & Pick<Output, 'print'>,
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

interface StepWords {
  /** The program of the service manager. */
  program: string | undefined;
  /** The folder that is used as `/`. It is put before every path. */
  root: string;
}

/** Returns a step as a line. With `whole` it also shows mode, owner and content. */
function stepText(step: Step, { program, root }: StepWords, whole: boolean): string {
  switch (step.action) {
    case 'make folder':
      return line('make', `${root}${step.path}/${whole ? rightsText(step) : ''}`);
    case 'write': {
      const action = step.replaces ? 'replace' : 'write';
      const text = line(action, `${root}${step.path}${whole ? rightsText(step) : ''}`);
      return whole ? text + indented(step.isSecret ? redacted : step.content) : text;
    }
    case 'rename':
      return line('rename', `${root}${step.path} to ${root}${step.to}`);
    case 'remove':
      return line('remove', `${root}${step.path}${step.what === 'file' ? '' : '/'}`);
    case 'run':
      return line('run', [program ?? '', ...step.args].join(' '));
    case 'await stop':
      return line('wait', 'until the service has stopped');
  }
}

const line = (action: string, text: string): string => `${action.padEnd(9)}${escapeText(text)}\n`;

const rightsText = ({ mode, owner }: Extract<Step, { action: 'make folder' | 'write' }>): string =>
  ` (mode ${mode.toString(8).padStart(4, '0')}, owner ${owner.name})`;

function indented(content: string): string {
  const lines = content.replace(/\n$/, '').split('\n');
  return lines.map(text => `    | ${escapeText(text)}`.trimEnd().concat('\n')).join('');
}
