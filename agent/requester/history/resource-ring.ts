// A resource ring holds the samples of one node over the last hour. Its numbers are outside the heap of JavaScript.
import type { History } from '../../protocol/http-history.ts';
import type { ResourceInfo } from '../roll/resource-store.ts';

/** Number of samples in a ring: those of an hour. */
export const ringLength = 120;
/** Time between two samples, in milliseconds. Agents report as often by default. */
export const sampleIntervalMs = 30_000;

/** The columns of a sample. Two more follow for each GPU: its memory and its utilisation. */
export const column = {
  usedCpu: 0,
  usedMemory: 1,
  usedDisk: 2,
  freeCpu: 3,
  freeMemory: 4,
  freeDisk: 5,
} as const;
const firstGpuColumn = 6;
/** What a ring takes besides its numbers, in bytes, roughly. */
const ownBytes = 400;

export class ResourceRing {
  /** The number of the first sample, counted from the start of the requester. */
  readonly since: number;
  readonly gpus: number;
  readonly #columns: number;
  readonly #values: Float32Array;

  constructor(gpus: number, since: number) {
    this.gpus = gpus;
    this.since = since;
    this.#columns = firstGpuColumn + 2 * gpus;
    this.#values = new Float32Array(ringLength * this.#columns).fill(Number.NaN);
  }

  get sizeBytes(): number {
    return this.#values.byteLength + ownBytes;
  }

  /** Writes sample `number`; a gap when nothing is known. `gpuIndexes` are the GPUs of the node, in their order. */
  write(number: number, report: ResourceInfo | undefined, gpuIndexes: readonly number[]): void {
    const at = (number % ringLength) * this.#columns;
    const values = this.#values.subarray(at, at + this.#columns);
    values.fill(Number.NaN);
    if (!report) return;
    const { usage, available } = report;
    values[column.freeCpu] = available.CPU ?? 0;
    values[column.freeMemory] = available.Memory ?? 0;
    values[column.freeDisk] = available.Disk ?? 0;
    if (!usage) return;
    values[column.usedCpu] = usage.CPU;
    values[column.usedMemory] = usage.Memory;
    values[column.usedDisk] = usage.Disk;
    for (let gpu = 0; gpu < this.gpus; gpu++) {
      const use = usage.GPUs?.find(({ Index }) => Index === gpuIndexes[gpu]);
      values[gpuColumn(gpu)] = use?.Memory ?? Number.NaN;
      values[gpuColumn(gpu) + 1] = use?.Utilisation ?? Number.NaN;
    }
  }

  /** Returns the numbers of one column, for the samples from `first` to `last`. */
  read(at: number, first: number, last: number): History {
    return Array.from({ length: last - first + 1 }, (_, index) => {
      const value = this.#values[((first + index) % ringLength) * this.#columns + at];
      return value === undefined || Number.isNaN(value) ? null : value;
    });
  }
}

/** Returns the column with the memory of a GPU. Its utilisation is in the next one. */
export const gpuColumn = (gpu: number): number => firstGpuColumn + 2 * gpu;
