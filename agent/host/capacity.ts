// What the node offers of what it has, and how much of the offer is free now (wire protocol 12).
import { compactResources, type Gpu, type Resources } from '../protocol/resources.ts';
import type { Sample } from './sample/sampler.ts';

/** A share of what is there, or so much: CPUs (may be a fraction), bytes, or whole GPUs. */
export type Allocation = { percent: number } | { amount: number };

export interface AllocatedCapacity {
  cpu: Allocation;
  memory: Allocation;
  disk: Allocation;
  gpu: Allocation;
}

/** What there is to offer from. */
export interface Machine {
  /** Logical CPUs that this process may use: affinity and quota count, which may leave a fraction. */
  cpu: number;
  /** Total bytes, or as many as a control group allows. */
  memory: number;
  /** Bytes free on the data folder's file system when the agent started: what others fill later does not shrink the offer. */
  disk: number;
  /** Those that can be used. */
  gpus: readonly Gpu[];
}

/** CPU stays fractional, bytes are truncated to whole ones. GPUs are the first of those there. Never more than there is. */
export function offeredCapacity(allocated: AllocatedCapacity, machine: Machine): Resources {
  const gpus = firstGpus(allocated.gpu, machine.gpus);
  return compactResources({
    CPU: share(allocated.cpu, machine.cpu),
    Memory: Math.trunc(share(allocated.memory, machine.memory)),
    Disk: Math.trunc(share(allocated.disk, machine.disk)),
    GPU: gpus.length,
    GPUs: gpus,
  });
}

/**
 * The part of `offered` that measurement finds free: never above the offer, and equal to it where nothing was measured.
 * `isFree` tells whether a job could have the GPU now.
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
    // Rounded down to a hundredth of a CPU: more digits are noise, and cost bytes in every report.
    CPU: atMost(offered.CPU, sample.cpu === undefined ? undefined : Math.floor(sample.cpu * 100) / 100),
    Memory: atMost(offered.Memory, sample.memory),
    Disk: atMost(offered.Disk, sample.disk),
  });
}

// A share is truncated, 70 % of 3 are 2, but of one GPU any share is that GPU (wire protocol 12): only 0 % is none.
function firstGpus(allocation: Allocation, gpus: readonly Gpu[]): Gpu[] {
  const wanted = share(allocation, gpus.length);
  const least = 'percent' in allocation && allocation.percent > 0 ? 1 : 0;
  return gpus.slice(0, Math.max(least, Math.trunc(wanted)));
}

function share(allocation: Allocation, whole: number): number {
  const wanted = 'amount' in allocation ? allocation.amount : (whole * allocation.percent) / 100;
  return Math.min(whole, Math.max(0, wanted));
}

function atMost(offer: number | undefined, free: number | undefined): number {
  return Math.max(0, Math.min(offer ?? 0, free ?? Number.POSITIVE_INFINITY));
}
