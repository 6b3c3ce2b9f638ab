// Reads the available resources for every resource report. It starts no process, waits for nothing and takes less than 0.2
// ms.
import type { Disk } from './disk.ts';
import type { CpuTimes, KernelFiguresReader } from './kernel-figures.ts';

export interface Sample {
  /** Memory that is available without swapping, in bytes, including memory that caches use. */
  memoryBytes: number;
  /** Space that is available on the data folder's file system, in bytes. Absent until the file system has answered. */
  diskBytes?: number | undefined;
  /**
   * Average number of logical CPUs that were idle since the previous sample. If the previous sample is less than 100 ms
   * old, its value is used.
   */
  idleCpus?: number | undefined;
  /** Load averages over 1, 5 and 15 minutes. */
  load: [number, number, number];
}

export class Sampler {
  readonly #disk: Disk;
  readonly #read: KernelFiguresReader;
  #previous: CpuTimes | undefined;
  #idleCpus: number | undefined;

  constructor(disk: Disk, read: KernelFiguresReader) {
    this.#disk = disk;
    this.#read = read;
    this.#previous = read().cpuTimes;
  }

  /** Reads everything now, except the disk: for the disk it returns the newest answer and asks for the next one. */
  sample(): Sample {
    void this.#disk.refresh();
    const { memoryBytes, cpuTimes, load } = this.#read();
    if (this.#idleCpus === undefined || !isTooShort(this.#previous, cpuTimes)) {
      this.#idleCpus = idleCpusBetween(this.#previous, cpuTimes);
      this.#previous = cpuTimes;
    }
    return { memoryBytes, diskBytes: this.#disk.space?.available, idleCpus: this.#idleCpus, load };
  }
}

// Least time between two measurements, in milliseconds. The kernel counts in steps of 10 ms. With fewer than ten steps the
// result would be random, and it would stay in the report until the next one.
const shortestMs = 100;

const isTooShort = (before: CpuTimes | undefined, now: CpuTimes | undefined): boolean =>
  before !== undefined &&
  now !== undefined &&
  now.totalMs >= before.totalMs &&
  (now.totalMs - before.totalMs) / now.cpus < shortestMs;

function idleCpusBetween(before: CpuTimes | undefined, now: CpuTimes | undefined): number | undefined {
  if (!now || !before) return undefined;
  const totalMs = now.totalMs - before.totalMs;
  if (totalMs <= 0) return undefined;
  // The kernel's idle counters may go back a little, so the share is limited to 0 to 1.
  const share = Math.min(1, Math.max(0, (now.idleMs - before.idleMs) / totalMs));
  return now.cpus * share;
}
