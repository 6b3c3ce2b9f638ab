// Reads from Linux how much CPU and memory a process uses, and whether it starts others. Measures how long bare Node takes to start.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** Returns the CPU time of all threads of a process, in microseconds. `stat` has it only in hundredths of a second. */
export function cpuOf(pid: number): number {
  const threads = readdirSync(proc(pid, 'task'));
  return threads.reduce((sum, thread) => sum + onCpu(proc(pid, `task/${thread}/schedstat`)), 0);
}

/** Returns the time from the start of Node without a program to its end, in milliseconds. */
export async function bareNodeMs(): Promise<number> {
  const began = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - began;
}

export interface Memory {
  /** Resident memory in bytes. A large page cache makes it larger, so budgets compare `anonymousBytes`. */
  residentBytes: number;
  /** Memory of the process that is not a copy of a file, in bytes. */
  anonymousBytes: number;
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(proc(pid, 'smaps_rollup'), 'latin1');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024;
  return { residentBytes: bytes('Rss'), anonymousBytes: bytes('Anonymous') };
}

export interface Children {
  running: number;
  /** Number of page faults of the children that have ended. It grows with each child that ends. */
  trace: number;
  /** CPU time of the children that have ended, and of their children, in microseconds. */
  cpuUs: number;
}

export function childrenOf(pid: number): Children {
  const running = readdirSync('/proc').filter(name => /^\d+$/.test(name) && parentOf(name) === pid).length;
  const fields = statOf(pid);
  // The fields of proc_pid_stat(5), counted from the state behind the name: cminflt, and cutime and cstime in ticks of 10
  // ms.
  return { running, trace: Number(fields[8]), cpuUs: (Number(fields[13]) + Number(fields[14])) * 10_000 };
}

function proc(pid: number | string, name: string): string {
  if (process.platform !== 'linux') throw new Error('this row needs the /proc of Linux');
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
