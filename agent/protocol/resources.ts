// Defines the resources that a node has or offers: CPU, memory, disk and GPUs.
import * as v from 'valibot';
import { amount, count, struct, text } from './schema.ts';
import { type UsualReader, unusual, usualReader, withUsual } from './usual-form.ts';

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

const gpus = v.pipe(v.array(gpuSchema), v.maxLength(256));

const anyResourcesSchema = v.pipe(
  struct({
    CPU: amount(),
    Memory: count(),
    Disk: count(),
    GPU: count(),
    GPUs: v.nullish(gpus, null),
  }),
  v.transform(({ GPUs, ...rest }) => compactResources({ ...rest, GPUs: GPUs ?? [] })),
);

// Half of all resources in a requester's memory are empty. One object for all of them saves 20 MB at 100 000 nodes.
const none: Resources = Object.freeze({});

const positiveCount: UsualReader = value =>
  Number.isSafeInteger(value) && Number(value) > 0 ? value : unusual;
const readGpus = usualReader(gpus);

/** The readers of the members, in their order. None of them is zero or empty in the usual form. */
const memberReaders: readonly [name: string, read: UsualReader][] = [
  ['CPU', value => (Number.isFinite(value) && Number(value) > 0 ? value : unusual)],
  ['Memory', positiveCount],
  ['Disk', positiveCount],
  ['GPU', positiveCount],
  ['GPUs', (value, config) => (Array.isArray(value) && value.length > 0 ? readGpus(value, config) : unusual)],
];

export const resourcesSchema = withUsual(anyResourcesSchema, (value, config) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return unusual;
  const members = value as Record<string, unknown>;
  let next = 0;
  for (const name in members) {
    while (next < memberReaders.length && memberReaders[next]?.[0] !== name) next++;
    const [, read] = memberReaders[next++] ?? [];
    if (!read || read(members[name], config) !== members[name]) return unusual;
  }
  return next === 0 ? none : value;
});

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
