// Loaded before an agent (`node --import`) to measure it: other programs stand in for those that it starts, it has no jitter,
// and its long waits are short, so that a day's looks at the machine take minutes.
import childProcess from 'node:child_process';
import { appendFileSync } from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

/** What stands in; JSON in the environment variable STAND_INS. */
export interface StandIns {
  /** For the inventory's child: one that never ends, or none that could be started. */
  inventory?: 'hangs' | 'absent';
  /** For the makers' tools, which are there then: ones that never end. */
  tools?: 'hang';
  /** A file that gets a line for each program that hangs: the name of what it stands in for. */
  trace?: string;
}

const { inventory, tools, trace }: StandIns = JSON.parse(process.env.STAND_INS ?? '{}');

/** In milliseconds: what waits so long waits for `lapse` instead. */
const long = 300_000;
const lapse = 12_000;

// The jitter of intervals and back-off is drawn from it: the middle is none.
Math.random = () => 0.5;

const { setTimeout: after } = globalThis;
const shortened = (run: () => void, delay = 0) => after(run, delay >= long ? lapse : delay);
globalThis.setTimeout = Object.assign(shortened, after);

const { access } = files;
const { spawn } = childProcess;
files.access = async (path, mode) => (isHungTool(String(path)) ? undefined : access(path, mode));
Object.assign(childProcess, {
  spawn(command: string, args: readonly string[], options: childProcess.SpawnOptions) {
    const [program = command, ...rest] = standIn(command, args) ?? [command, ...args];
    return spawn(program, rest, options);
  },
});
syncBuiltinESMExports();

function standIn(command: string, args: readonly string[]): string[] | undefined {
  if (isHungTool(command)) return hang(basename(command));
  if (!inventory || !args.includes('inventory-child')) return undefined;
  if (inventory === 'absent') throw new Error('there is none');
  return hang('inventory');
}

// It ends with the agent at the latest.
function hang(name: string): string[] {
  if (trace) appendFileSync(trace, `${name}\n`);
  return ['/usr/bin/tail', '-f', '/dev/null', `--pid=${process.pid}`];
}

function isHungTool(path: string): boolean {
  return tools === 'hang' && /\/(?:nvidia-smi|rocm-smi|xpu-smi)$/.test(path);
}
