// Reads the kernel's figures of memory, CPUs and load: with one call of the native probe, or with Node's functions.
import os from 'node:os';
import type { NativeProbe } from '../native/native-probe.ts';
import { KeptFile } from './kept-file.ts';

export interface KernelFigures {
  /** Memory that is available without swapping, in bytes, including memory that caches use. */
  memoryBytes: number;
  /** CPU times since boot; absent when the system does not give them. */
  cpuTimes?: CpuTimes | undefined;
  /** Load averages over 1, 5 and 15 minutes. */
  load: [number, number, number];
}

/** CPU times, summed over all CPUs. */
export interface CpuTimes {
  cpus: number;
  /** Idle time, in milliseconds. A CPU that waits for a disk counts as idle. */
  idleMs: number;
  /**
   * Total time, in milliseconds. It includes the time of guests once, and the time that the hypervisor gave to other
   * machines.
   */
  totalMs: number;
}

export type KernelFiguresReader = () => KernelFigures;

/**
 * Returns a reader that makes one call and opens no file. When the system hides a figure from the native probe, Node
 * gives it.
 */
export function nativeFiguresReader(
  probe: Pick<NativeProbe, 'sample'>,
  node: NodeSources = nodeSources,
): KernelFiguresReader {
  return () => {
    const { memoryAvailable, cpu, load1, load5, load15 } = probe.sample();
    return {
      memoryBytes: memoryAvailable ?? node.freemem(),
      cpuTimes: cpu
        ? {
            cpus: cpu.cpus,
            idleMs: cpu.idle + cpu.iowait,
            totalMs:
              cpu.user + cpu.nice + cpu.system + cpu.idle + cpu.iowait + cpu.irq + cpu.softirq + cpu.steal,
          }
        : cpuTimesOf(node.cpus()),
      load: [load1, load5, load15],
    };
  };
}

/** The sources of the figures without a native probe. A test passes its own. */
export interface NodeSources {
  /** Returns a file of /proc, or undefined when there is none. */
  proc(name: 'meminfo' | 'stat'): string | undefined;
  freemem(): number;
  cpus(): readonly { times: { user: number; nice: number; sys: number; idle: number; irq: number } }[];
  loadavg(): number[];
}

const proc = { meminfo: new KeptFile('/proc/meminfo'), stat: new KeptFile('/proc/stat') };
const nodeSources: NodeSources = {
  proc: name => proc[name].read(),
  freemem: os.freemem,
  cpus: os.cpus,
  loadavg: os.loadavg,
};

/** Returns a reader of /proc. When there is no /proc, it reads `node:os`. */
export function nodeFiguresReader(sources: NodeSources = nodeSources): KernelFiguresReader {
  return () => {
    const [one = 0, five = 0, fifteen = 0] = sources.loadavg();
    return {
      memoryBytes: availableBytesIn(sources.proc('meminfo')) ?? sources.freemem(),
      cpuTimes: cpuTimesIn(sources.proc('stat')) ?? cpuTimesOf(sources.cpus()),
      load: [one, five, fifteen],
    };
  };
}

function availableBytesIn(meminfo: string | undefined): number | undefined {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

// Reads the CPU times. proc_stat(5) gives ticks, which are 10 ms on all machines that muster supports: user nice system idle
// iowait irq softirq steal. The guest times after them are left out, because user and nice include them.
function cpuTimesIn(stat: string | undefined): CpuTimes | undefined {
  const fields = /^cpu +(\d+(?: \d+){3,})/
    .exec(stat ?? '')?.[1]
    ?.split(' ', 8)
    .map(ticks => Number(ticks) * 10);
  const cpus = stat?.match(/^cpu\d/gm)?.length;
  if (!fields || !cpus) return undefined;
  const [, , , idle = 0, iowait = 0] = fields;
  return { cpus, idleMs: idle + iowait, totalMs: fields.reduce((sum, field) => sum + field, 0) };
}

function cpuTimesOf(cpus: ReturnType<NodeSources['cpus']>): CpuTimes | undefined {
  if (cpus.length === 0) return undefined;
  let idleMs = 0;
  let totalMs = 0;
  for (const { times } of cpus) {
    idleMs += times.idle;
    totalMs += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { cpus: cpus.length, idleMs, totalMs };
}
