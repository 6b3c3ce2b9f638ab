// The figures that the kernel keeps of memory, CPUs and load, by the native probe in one call, or by what Node has.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import type { NativeProbe } from '../native/native-probe.ts';

export interface KernelFigures {
  /** Bytes that could be had without swapping, memory that caches hold included. */
  memory: number;
  /** Counted since boot; absent where the system does not say. */
  cpu?: CpuTimes | undefined;
  /** Load averages over 1, 5 and 15 minutes. */
  load: [number, number, number];
}

/** The sums over all CPUs, in milliseconds. */
export interface CpuTimes {
  cpus: number;
  /** A CPU that waits for a disk is idle. */
  idle: number;
  /** What guests take is in it once, what the hypervisor gave to others too. */
  total: number;
}

export type KernelFiguresReader = () => KernelFigures;

/** Reads in one call that opens nothing. What the system hides from the probe comes from Node. */
export function nativeFiguresReader(
  probe: Pick<NativeProbe, 'sample'>,
  node: NodeSources = nodeSources,
): KernelFiguresReader {
  return () => {
    const { memoryAvailable, cpu, load1, load5, load15 } = probe.sample();
    return {
      memory: memoryAvailable ?? node.freemem(),
      cpu: cpu
        ? {
            cpus: cpu.cpus,
            idle: cpu.idle + cpu.iowait,
            total:
              cpu.user + cpu.nice + cpu.system + cpu.idle + cpu.iowait + cpu.irq + cpu.softirq + cpu.steal,
          }
        : osCpus(node.cpus()),
      load: [load1, load5, load15],
    };
  };
}

/** Where the readings come from without a probe; a test brings its own. */
export interface NodeSources {
  /** A file of /proc, or undefined where there is none. */
  proc(name: 'meminfo' | 'stat'): string | undefined;
  freemem(): number;
  cpus(): readonly { times: { user: number; nice: number; sys: number; idle: number; irq: number } }[];
  loadavg(): number[];
}

const nodeSources: NodeSources = {
  proc: name => {
    try {
      return readFileSync(`/proc/${name}`, 'latin1');
    } catch {
      return undefined;
    }
  },
  freemem: os.freemem,
  cpus: os.cpus,
  loadavg: os.loadavg,
};

/** Reads from /proc where there is one, else by `os`. */
export function nodeFiguresReader(sources: NodeSources = nodeSources): KernelFiguresReader {
  return () => {
    const [one = 0, five = 0, fifteen = 0] = sources.loadavg();
    return {
      memory: memAvailable(sources.proc('meminfo')) ?? sources.freemem(),
      cpu: procStat(sources.proc('stat')) ?? osCpus(sources.cpus()),
      load: [one, five, fifteen],
    };
  };
}

function memAvailable(meminfo: string | undefined): number | undefined {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

// In ticks of 10 ms on all machines that we run on. proc_stat(5): user nice system idle iowait irq softirq steal, then guest
// times that user and nice contain already.
function procStat(stat: string | undefined): CpuTimes | undefined {
  const fields = /^cpu +(\d+(?: \d+){3,})/
    .exec(stat ?? '')?.[1]
    ?.split(' ', 8)
    .map(ticks => Number(ticks) * 10);
  const cpus = stat?.match(/^cpu\d/gm)?.length;
  if (!fields || !cpus) return undefined;
  const [, , , idle = 0, iowait = 0] = fields;
  return { cpus, idle: idle + iowait, total: fields.reduce((sum, field) => sum + field, 0) };
}

function osCpus(cpus: ReturnType<NodeSources['cpus']>): CpuTimes | undefined {
  if (cpus.length === 0) return undefined;
  let idle = 0;
  let total = 0;
  for (const { times } of cpus) {
    idle += times.idle;
    total += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { cpus: cpus.length, idle, total };
}
