// Replaces the programs that a measured agent starts, removes the jitter from its intervals, and shortens its long waits,
// so that it asks about its machine every few seconds. `node --import` loads this file before the agent.
import childProcess from 'node:child_process';
import { appendFileSync } from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

/** The stand-ins, as JSON in the environment variable STAND_INS. */
export interface StandIns {
  /** The inventory's child never ends, or cannot be started. */
  inventory?: 'hangs' | 'absent';
  /** The makers' tools are found, and never end. */
  tools?: 'hang';
  /** A file that gets a line for each stand-in that hangs: the name of the program that it replaces. */
  trace?: string;
}

const { inventory, tools, trace }: StandIns = JSON.parse(process.env.STAND_INS ?? '{}');

/** A wait of at least `longMs` takes `shortenedMs` instead. */
const longMs = 300_000;
const shortenedMs = 12_000;

// Jitter is computed from Math.random, and its middle means none.
Math.random = () => 0.5;

const { setTimeout: after } = globalThis;
const shortened = (run: () => void, delay = 0) => after(run, delay >= longMs ? shortenedMs : delay);
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

// Returns a command that ends only when the agent does.
function hang(name: string): string[] {
  if (trace) appendFileSync(trace, `${name}\n`);
  return ['/usr/bin/tail', '-f', '/dev/null', `--pid=${process.pid}`];
}

function isHungTool(path: string): boolean {
  return tools === 'hang' && /\/(?:nvidia-smi|rocm-smi|xpu-smi)$/.test(path);
}
