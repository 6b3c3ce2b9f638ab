// Computes what the node offers to the cluster, and how much of the offer is free now.
import { compactResources, type Gpu, type Resources } from '../protocol/resources.ts';
import type { Sample } from './sample/sampler.ts';

/** A share of a resource, or an amount: CPUs (may be a fraction), bytes, or whole GPUs. */
export type Allocation = { percent: number } | { amount: number };

export interface AllocatedCapacity {
  cpu: Allocation;
  memory: Allocation;
  disk: Allocation;
  gpu: Allocation;
}

/** The hardware from which a part is offered. */
export interface OfferableHardware {
  /** Number of logical CPUs that this process may use. CPU affinity and a quota may make it a fraction. */
  cpus: number;
  /** Total memory, or the limit of a control group, in bytes. */
  memoryBytes: number;
  /**
   * Free space on the data folder's file system when the agent started, in bytes. Later use of the disk does not make the
   * offer smaller.
   */
  diskBytes: number;
  /** The usable GPUs. */
  gpus: readonly Gpu[];
}

/**
 * Returns the allocated part of `hardware`, and never more than the hardware has. CPUs may be a fraction, bytes are
 * rounded down, and the first GPUs are taken.
 */
export function offeredCapacity(allocated: AllocatedCapacity, hardware: OfferableHardware): Resources {
  const gpus = firstGpus(allocated.gpu, hardware.gpus);
  return compactResources({
    CPU: share(allocated.cpu, hardware.cpus),
    Memory: Math.trunc(share(allocated.memory, hardware.memoryBytes)),
    Disk: Math.trunc(share(allocated.disk, hardware.diskBytes)),
    GPU: gpus.length,
    GPUs: gpus,
  });
}

/**
 * Returns the free part of `offered`, as `sample` shows it. It is never more than the offer, and equal to it for a
 * resource that was not measured. `isFree` returns whether a job could use a GPU now.
 */
export function availableCapacity(
  offered: Resources,
  sample: Sample,
  isFree: (gpu: Gpu) => boolean = () => true,
): Resources {
  const gpus = (offered.GPUs ?? []).filter(isFree);
  return compactResources({
    ...offered,
    GPU: gpus.length,
    GPUs: gpus,
    CPU: atMost(offered.CPU, hundredths(sample.idleCpus)),
    Memory: atMost(offered.Memory, sample.memoryBytes),
    Disk: atMost(offered.Disk, sample.diskBytes),
  });
}

// As in Bacalhau, a share of GPUs is rounded down (70 % of 3 are 2), but a share above 0 % is at least one GPU.
function firstGpus(allocation: Allocation, gpus: readonly Gpu[]): Gpu[] {
  const wanted = share(allocation, gpus.length);
  const least = 'percent' in allocation && allocation.percent > 0 ? 1 : 0;
  return gpus.slice(0, Math.max(least, Math.trunc(wanted)));
}

// More digits would not be exact, and would make every report longer.
const hundredths = (cpus: number | undefined) =>
  cpus === undefined ? undefined : Math.floor(cpus * 100) / 100;

function share(allocation: Allocation, whole: number): number {
  const wanted = 'amount' in allocation ? allocation.amount : (whole * allocation.percent) / 100;
  return Math.min(whole, Math.max(0, wanted));
}

function atMost(offer: number | undefined, free: number | undefined): number {
  return Math.max(0, Math.min(offer ?? 0, free ?? Number.POSITIVE_INFINITY));
}
