// What is available now, read on every resource report: no process, no waiting, well under a millisecond.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import type { Disk } from './disk.ts';

export interface Sample {
  /** Bytes that could be had without swapping, memory that caches hold included. */
  memory: number;
  /** Bytes available to us on the data folder's file system; absent until it has answered. */
  disk?: number | undefined;
  /** Logical CPUs that sat idle, on average, since the sample before; absent when no time has passed. */
  cpu?: number | undefined;
  /** Load averages over 1, 5 and 15 minutes. */
  load: [number, number, number];
}

/** Where the samples come from; a test brings its own. */
export interface SampleSources {
  /** A file of /proc, or undefined where there is none. */
  proc(name: 'meminfo' | 'stat'): string | undefined;
  freemem(): number;
  cpus(): readonly { times: { user: number; nice: number; sys: number; idle: number; irq: number } }[];
  loadavg(): number[];
}

const sampleSources: SampleSources = {
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

export class Sampler {
  readonly #disk: Disk;
  readonly #sources: SampleSources;
  #before: CpuTimes | undefined;

  constructor(disk: Disk, sources: SampleSources = sampleSources) {
    this.#disk = disk;
    this.#sources = sources;
    this.#before = this.#cpuTimes();
  }

  /** Reads everything now, except the disk: its figure is the newest answer, and the next one is asked for. */
  sample(): Sample {
    void this.#disk.refresh();
    const [one = 0, five = 0, fifteen = 0] = this.#sources.loadavg();
    return {
      memory: memAvailable(this.#sources.proc('meminfo')) ?? this.#sources.freemem(),
      disk: this.#disk.space?.available,
      cpu: this.#idleCpus(),
      load: [one, five, fifteen],
    };
  }

  #idleCpus(): number | undefined {
    const now = this.#cpuTimes();
    const before = this.#before;
    this.#before = now;
    if (!now || !before) return undefined;
    const total = now.total - before.total;
    if (total <= 0) return undefined;
    // The kernel's idle counters may step back a little; the share stays within what can be.
    const share = Math.min(1, Math.max(0, (now.idle - before.idle) / total));
    return now.cpus * share;
  }

  #cpuTimes(): CpuTimes | undefined {
    return procStat(this.#sources.proc('stat')) ?? osCpus(this.#sources.cpus());
  }
}

/** Counted since boot, over all CPUs, in any one unit. */
interface CpuTimes {
  cpus: number;
  idle: number;
  total: number;
}

function memAvailable(meminfo: string | undefined): number | undefined {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

// proc_stat(5): user nice system idle iowait irq softirq steal, then guest times that user and nice contain already.
function procStat(stat: string | undefined): CpuTimes | undefined {
  const fields = /^cpu +(\d+(?: \d+){3,})/
    .exec(stat ?? '')?.[1]
    ?.split(' ', 8)
    .map(Number);
  const cpus = stat?.match(/^cpu\d/gm)?.length;
  if (!fields || !cpus) return undefined;
  const [, , , idle = 0, iowait = 0] = fields;
  return { cpus, idle: idle + iowait, total: fields.reduce((sum, field) => sum + field, 0) };
}

function osCpus(cpus: ReturnType<SampleSources['cpus']>): CpuTimes | undefined {
  if (cpus.length === 0) return undefined;
  let idle = 0;
  let total = 0;
  for (const { times } of cpus) {
    idle += times.idle;
    total += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { cpus: cpus.length, idle, total };
}
