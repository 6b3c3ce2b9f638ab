// What a node has or offers: CPU, memory, disk, GPUs (wire protocol 10.3 and 10.4).
import * as v from 'valibot';
import { amount, count, struct, text } from './schema.ts';

const gpuSchema = struct({
  /** As the maker's tool counts. */
  Index: count(),
  Name: text(256),
  Vendor: text(64),
  /** MiB. */
  Memory: count(),
  PCIAddress: text(64),
});

export type Gpu = v.InferOutput<typeof gpuSchema>;

/** Members that are zero or empty are left out, so nothing at all is `{}`. */
export interface Resources {
  /** Logical CPUs; may be a fraction. */
  CPU?: number;
  /** Bytes. */
  Memory?: number;
  /** Bytes. */
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

// Half of all resources that a requester keeps are none: one object for all of them spares it 20 MB at 100 000 nodes.
const none: Resources = Object.freeze({});

/** `all` less its zero and empty members, in the order in which Bacalhau writes them. */
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
