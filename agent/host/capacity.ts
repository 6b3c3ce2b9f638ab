// What the node offers of what it has, and how much of the offer is free now (wire protocol 12).
import { type Resources, resources } from '../protocol/resources.ts';
import type { Sample } from './sampler.ts';

/** A share of what is there, or so much: CPUs (may be a fraction), or bytes. */
export type Allocation = { percent: number } | { amount: number };

export interface AllocatedCapacity {
  cpu: Allocation;
  memory: Allocation;
  disk: Allocation;
}

/** What there is to offer from. */
export interface Machine {
  /** Logical CPUs. */
  cpu: number;
  /** Total bytes. */
  memory: number;
  /** Bytes free on the data folder's file system when the agent started: what others fill later does not shrink the offer. */
  disk: number;
}

/** CPU stays fractional, bytes are truncated to whole ones. Never more than there is, whatever amount is configured. */
export function offeredCapacity(allocated: AllocatedCapacity, machine: Machine): Resources {
  return resources({
    CPU: share(allocated.cpu, machine.cpu),
    Memory: Math.trunc(share(allocated.memory, machine.memory)),
    Disk: Math.trunc(share(allocated.disk, machine.disk)),
  });
}

/** The part of `offered` that measurement finds free: never above the offer, and equal to it where nothing was measured. */
export function availableCapacity(offered: Resources, sample: Sample): Resources {
  return resources({
    ...offered,
    // Rounded down to a hundredth of a CPU: more digits are noise, and cost bytes in every report.
    CPU: atMost(offered.CPU, sample.cpu === undefined ? undefined : Math.floor(sample.cpu * 100) / 100),
    Memory: atMost(offered.Memory, sample.memory),
    Disk: atMost(offered.Disk, sample.disk),
  });
}

function share(allocation: Allocation, whole: number): number {
  const wanted = 'amount' in allocation ? allocation.amount : (whole * allocation.percent) / 100;
  return Math.min(whole, Math.max(0, wanted));
}

function atMost(offer: number | undefined, free: number | undefined): number {
  return Math.max(0, Math.min(offer ?? 0, free ?? Number.POSITIVE_INFINITY));
}
