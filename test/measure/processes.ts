// What Linux says of a process: what it has used of CPU and memory, and whether it starts others.
import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds of CPU that all threads of a process have used. Exact, where `stat` counts in hundredths of a second. */
export function cpuOf(pid: number): number {
  const threads = readdirSync(proc(pid, 'task'));
  return threads.reduce((sum, thread) => sum + onCpu(proc(pid, `task/${thread}/schedstat`)), 0);
}

export interface Memory {
  /** Bytes. A large page cache inflates it: what counts is `anonymous`. */
  resident: number;
  /** Bytes that belong to the process alone, and no file stands behind. */
  anonymous: number;
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(proc(pid, 'smaps_rollup'), 'latin1');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024;
  return { resident: bytes('Rss'), anonymous: bytes('Anonymous') };
}

export interface Children {
  running: number;
  /** Grows with each child that has ended, by the pages it touched. */
  trace: number;
  /** Microseconds of CPU of the children that have ended, and theirs. */
  cpu: number;
}

export function childrenOf(pid: number): Children {
  const running = readdirSync('/proc').filter(name => /^\d+$/.test(name) && parentOf(name) === pid).length;
  const fields = statOf(pid);
  // proc_pid_stat(5), counted from the state, which follows the name: cminflt, then cutime and cstime in ticks of 10 ms.
  return { running, trace: Number(fields[8]), cpu: (Number(fields[13]) + Number(fields[14])) * 10_000 };
}

function proc(pid: number | string, name: string): string {
  if (process.platform !== 'linux') throw new Error('this row needs /proc of Linux');
  return `/proc/${pid}/${name}`;
}

function onCpu(path: string): number {
  try {
    return Number(readFileSync(path, 'latin1').split(' ', 1)[0]) / 1000;
  } catch {
    // The thread has ended.
    return 0;
  }
}

function statOf(pid: number | string): string[] {
  const text = readFileSync(proc(pid, 'stat'), 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(statOf(pid)[1]);
  } catch {
    return undefined;
  }
}
