// What is available now, read on every resource report: no process, no waiting, well under a millisecond.

import type { Disk } from './disk.ts';
import type { CpuTimes, KernelFiguresReader } from './kernel-figures.ts';

export interface Sample {
  /** Bytes that could be had without swapping, memory that caches hold included. */
  memory: number;
  /** Bytes available to us on the data folder's file system; absent until it has answered. */
  disk?: number | undefined;
  /** Logical CPUs that sat idle, on average, since the sample before, or one before that when both came within 100 ms. */
  cpu?: number | undefined;
  /** Load averages over 1, 5 and 15 minutes. */
  load: [number, number, number];
}

export class Sampler {
  readonly #disk: Disk;
  readonly #read: KernelFiguresReader;
  #before: CpuTimes | undefined;
  #idle: number | undefined;

  constructor(disk: Disk, read: KernelFiguresReader) {
    this.#disk = disk;
    this.#read = read;
    this.#before = read().cpu;
  }

  /** Reads everything now, except the disk: its figure is the newest answer, and the next one is asked for. */
  sample(): Sample {
    void this.#disk.refresh();
    const { memory, cpu, load } = this.#read();
    if (this.#idle === undefined || !isInstant(this.#before, cpu)) {
      this.#idle = idleCpus(this.#before, cpu);
      this.#before = cpu;
    }
    return { memory, disk: this.#disk.space?.available, cpu: this.#idle, load };
  }
}

// Ten ticks of the kernel: what fewer count is chance, and would stand in the report until the next one.
const shortest = 100;

const isInstant = (before: CpuTimes | undefined, now: CpuTimes | undefined): boolean =>
  before !== undefined &&
  now !== undefined &&
  now.total >= before.total &&
  (now.total - before.total) / now.cpus < shortest;

function idleCpus(before: CpuTimes | undefined, now: CpuTimes | undefined): number | undefined {
  if (!now || !before) return undefined;
  const total = now.total - before.total;
  if (total <= 0) return undefined;
  // The kernel's idle counters may step back a little; the share stays within what can be.
  const share = Math.min(1, Math.max(0, (now.idle - before.idle) / total));
  return now.cpus * share;
}
