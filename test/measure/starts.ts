// This worker measures how long the packaged file and bare Node take from start to end. Argument: the packaged file. It is
// a small process, because a large process takes longer to start another.
import { spawnSync } from 'node:child_process';
import { median } from './statistics.ts';
import { report } from './worker.ts';

export interface Starts {
  /** Medians of `runs`, in milliseconds. */
  versionMs: number;
  nodeMs: number;
  runs: number;
}

const runs = 41;
const [file = ''] = process.argv.slice(2);
// The two programs take turns, so that other programs on the machine disturb both equally.
const times = Array.from({ length: runs }, () => ({
  versionMs: time(file, 'version'),
  nodeMs: time(process.execPath, '-e', '0'),
}));
const found: Starts = {
  versionMs: median(times.map(({ versionMs }) => versionMs)),
  nodeMs: median(times.map(({ nodeMs }) => nodeMs)),
  runs,
};
report(found);

function time(command: string, ...args: string[]): number {
  const began = performance.now();
  const { status } = spawnSync(command, args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return performance.now() - began;
}
