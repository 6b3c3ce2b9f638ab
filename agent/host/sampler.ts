// What is available now, read on every resource report: no process, no waiting, well under a millisecond.
import type { Disk } from './disk.ts';
import type { CpuTimes, Reader } from './reading.ts';

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

export class Sampler {
  readonly #disk: Disk;
  readonly #read: Reader;
  #before: CpuTimes | undefined;

  constructor(disk: Disk, read: Reader) {
    this.#disk = disk;
    this.#read = read;
    this.#before = read().cpu;
  }

  /** Reads everything now, except the disk: its figure is the newest answer, and the next one is asked for. */
  sample(): Sample {
    void this.#disk.refresh();
    const { memory, cpu, load } = this.#read();
    const idle = idleCpus(this.#before, cpu);
    this.#before = cpu;
    return { memory, disk: this.#disk.space?.available, cpu: idle, load };
  }
}

function idleCpus(before: CpuTimes | undefined, now: CpuTimes | undefined): number | undefined {
  if (!now || !before) return undefined;
  const total = now.total - before.total;
  if (total <= 0) return undefined;
  // The kernel's idle counters may step back a little; the share stays within what can be.
  const share = Math.min(1, Math.max(0, (now.idle - before.idle) / total));
  return now.cpus * share;
}
