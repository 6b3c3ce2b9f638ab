// A worker: how long the packaged file and bare Node take from start to end. Argument: the file. It is a small process of
// its own, as starting another takes the longer the larger the one is that starts it.
import { spawnSync } from 'node:child_process';
import { report } from './worker.ts';

export interface Starts {
  /** Milliseconds, each a median of `runs`. */
  version: number;
  node: number;
  runs: number;
}

const runs = 41;
const [file = ''] = process.argv.slice(2);
// By turns, so that other work on the machine meets both.
const times = Array.from({ length: runs }, () => ({
  version: time(file, 'version'),
  node: time(process.execPath, '-e', '0'),
}));
const found: Starts = {
  version: median(times.map(({ version }) => version)),
  node: median(times.map(({ node }) => node)),
  runs,
};
report(found);

function time(command: string, ...args: string[]): number {
  const began = performance.now();
  const { status } = spawnSync(command, args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return performance.now() - began;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
