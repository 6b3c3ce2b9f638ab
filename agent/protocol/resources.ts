// Defines the resources that a node has or offers: CPU, memory, disk and GPUs.
import * as v from 'valibot';
import { amount, count, struct, text } from './schema.ts';

const gpuSchema = struct({
  /** The number of the GPU in its vendor's tool. */
  Index: count(),
  Name: text(256),
  Vendor: text(64),
  /** Memory in MiB. */
  Memory: count(),
  PCIAddress: text(64),
});

export type Gpu = v.InferOutput<typeof gpuSchema>;

/** Resources. A zero or empty member is left out, so `{}` means no resources. */
export interface Resources {
  /** Number of logical CPUs. It may be a fraction. */
  CPU?: number;
  /** Memory in bytes. */
  Memory?: number;
  /** Disk in bytes. */
  Disk?: number;
  GPU?: number;
  GPUs?: Gpu[];
}

export const resourcesSchema = v.pipe(
  struct({
    CPU: amount(),
    Memory: count(),
    Disk: count(),
    GPU: count(),
    GPUs: v.nullish(v.pipe(v.array(gpuSchema), v.maxLength(256)), null),
  }),
  v.transform(({ GPUs, ...rest }) => compactResources({ ...rest, GPUs: GPUs ?? [] })),
);

// Half of all resources in a requester's memory are empty. One object for all of them saves 20 MB at 100 000 nodes.
const none: Resources = Object.freeze({});

/** Returns `all` without zero and empty members, in the order in which Bacalhau writes them. */
export function compactResources(all: Resources): Resources {
  if (!(all.CPU || all.Memory || all.Disk || all.GPU || all.GPUs?.length)) return none;
  return {
    ...(all.CPU ? { CPU: all.CPU } : {}),
    ...(all.Memory ? { Memory: all.Memory } : {}),
    ...(all.Disk ? { Disk: all.Disk } : {}),
    ...(all.GPU ? { GPU: all.GPU } : {}),
    ...(all.GPUs?.length ? { GPUs: all.GPUs } : {}),
  };
}
