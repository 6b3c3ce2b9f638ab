// Reads what is available now, for every resource report: it starts no process, waits for nothing and takes less than 0.2 ms.
import type { Disk } from './disk.ts';
import type { CpuTimes, KernelFiguresReader } from './kernel-figures.ts';

export interface Sample {
  /** Bytes of memory that can be had without swapping, memory that caches hold included. */
  memoryBytes: number;
  /** Bytes that are available on the data folder's file system. Absent until it has answered. */
  diskBytes?: number | undefined;
  /**
   * Logical CPUs that were idle, on average, since the previous sample. When that was less than 100 ms ago, the value of the
   * previous sample.
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

  /** Reads everything now, except the disk: it returns the newest answer and asks for the next one. */
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

// The kernel counts in steps of 10 ms. In less than ten steps the result is chance, and it would stay in the report until the
// next one.
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
  // The kernel's idle counters may step back a little, so the share is limited to what is possible.
  const share = Math.min(1, Math.max(0, (now.idleMs - before.idleMs) / totalMs));
  return now.cpus * share;
}
