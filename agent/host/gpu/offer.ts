// Describes the usable GPUs in the form of the protocol: which they are, which are free now, and how busy each is.
import type { GpuUsage } from '../../protocol/messages.ts';
import type { Gpu } from '../../protocol/resources.ts';
import { tidy } from '../values/tidy.ts';
import type { GpuDevice } from './gpu.ts';

/** Returns the usable GPUs among `devices` in the form of the protocol, in the same order. */
export function usableGpus(devices: readonly GpuDevice[]): Gpu[] {
  return numbered(devices).map(({ device: { vendor, name, memory, address }, index }) => ({
    Index: index,
    Name: name?.value ?? '',
    Vendor: vendor,
    Memory: memory?.value ?? 0,
    PCIAddress: address ?? '',
  }));
}

/**
 * Returns a function that returns whether a job could use a GPU now: less than half of its memory is in use, and it is
 * less than half busy. Drivers reserve some memory, and a screen needs a little of both. A figure that was not measured
 * counts as free.
 */
export function isFree(devices: readonly GpuDevice[]): (gpu: Gpu) => boolean {
  const free = new Set(
    numbered(devices)
      .filter(({ device: { memory, memoryUsed, utilisation } }) => {
        const usedShare = memory?.value && memoryUsed ? memoryUsed.value / memory.value : 0;
        return usedShare < 0.5 && (utilisation?.value ?? 0) < 50;
      })
      .map(({ device, index }) => key(device.vendor, index)),
  );
  return ({ Vendor, Index }) => free.has(key(Vendor, Index));
}

/** Returns how busy the usable GPUs among `devices` are, in the same order. A figure that was not measured is absent. */
export function gpuUsage(devices: readonly GpuDevice[]): GpuUsage[] {
  return numbered(devices).map(
    ({ device: { address, memoryUsed, utilisation, temperature, power }, index }) => {
      const usage: GpuUsage = { Index: index, PCIAddress: address ?? '' };
      if (memoryUsed) usage.Memory = memoryUsed.value;
      if (utilisation) usage.Utilisation = utilisation.value;
      if (temperature) usage.Temperature = temperature.value;
      if (power) usage.Power = power.value;
      return usage;
    },
  );
}

/**
 * Returns the drivers of the usable GPUs with their versions, each once: `nvidia 550.54.15`. Returns undefined when there
 * are no usable GPUs.
 */
export function gpuDrivers(devices: readonly GpuDevice[]): string | undefined {
  const drivers = numbered(devices).flatMap(({ device: { driver, driverVersion } }) => {
    const parts = [driver?.value, driverVersion?.value].filter(part => part !== undefined);
    return parts.length > 0 ? [parts.join(' ')] : [];
  });
  return tidy([...new Set(drivers)].join(', '), 64);
}

const key = (vendor: string, index: number): string => `${vendor} ${index}`;

/**
 * Returns the usable GPUs with the numbers of their vendor's tool. A GPU without a number gets the first unused number.
 */
function numbered(devices: readonly GpuDevice[]): { device: GpuDevice; index: number }[] {
  const usable = devices.filter(device => device.usable);
  // Each sample asks this, and nearly always every GPU has a number.
  if (usable.every(({ index }) => index))
    return usable.map(device => ({ device, index: device.index?.value ?? 0 }));
  const taken = new Set(usable.flatMap(({ vendor, index }) => (index ? [key(vendor, index.value)] : [])));
  return usable.map(device => {
    let index = device.index?.value ?? 0;
    if (!device.index) while (taken.has(key(device.vendor, index))) index++;
    taken.add(key(device.vendor, index));
    return { device, index };
  });
}
