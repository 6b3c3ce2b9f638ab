// The GPUs that a node can offer, in the protocol's words: which they are, which are free now, how busy each is.
import type { GpuUsage } from '../../protocol/messages.ts';
import type { Gpu } from '../../protocol/resources.ts';
import { tidy } from '../values/tidy.ts';
import type { GpuDevice } from './gpu.ts';

/** The usable ones of `devices` (wire protocol 10.4), in the same order. */
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
 * Whether a job could have the GPU now: it is less than half full and less than half busy. Drivers keep some of the memory for
 * themselves, and a screen takes a little of both. What was not measured is not held against it.
 */
export function isFree(devices: readonly GpuDevice[]): (gpu: Gpu) => boolean {
  const free = new Set(
    numbered(devices)
      .filter(({ device: { memory, memoryUsed, utilisation } }) => {
        const full = memory?.value && memoryUsed ? memoryUsed.value / memory.value : 0;
        return full < 0.5 && (utilisation?.value ?? 0) < 50;
      })
      .map(({ device, index }) => key(device.vendor, index)),
  );
  return ({ Vendor, Index }) => free.has(key(Vendor, Index));
}

/** How busy the usable ones of `devices` are, in the same order. What was not measured is absent. */
export function gpuUsage(devices: readonly GpuDevice[]): GpuUsage[] {
  return numbered(devices).map(({ device, index }) => ({
    Index: index,
    PCIAddress: device.address ?? '',
    ...(device.memoryUsed ? { Memory: device.memoryUsed.value } : {}),
    ...(device.utilisation ? { Utilisation: device.utilisation.value } : {}),
    ...(device.temperature ? { Temperature: device.temperature.value } : {}),
    ...(device.power ? { Power: device.power.value } : {}),
  }));
}

/** The drivers of the usable ones with their versions, each once: `nvidia 550.54.15`; undefined where there are none. */
export function gpuDrivers(devices: readonly GpuDevice[]): string | undefined {
  const drivers = numbered(devices).flatMap(({ device: { driver, driverVersion } }) => {
    const words = [driver?.value, driverVersion?.value].filter(word => word !== undefined);
    return words.length > 0 ? [words.join(' ')] : [];
  });
  return tidy([...new Set(drivers)].join(', '), 64);
}

const key = (vendor: string, index: number): string => `${vendor} ${index}`;

/** The usable ones with their maker's number; those that have none get the first ones that their maker left. */
function numbered(devices: readonly GpuDevice[]): { device: GpuDevice; index: number }[] {
  const usable = devices.filter(device => device.usable);
  const taken = new Set(usable.flatMap(({ vendor, index }) => (index ? [key(vendor, index.value)] : [])));
  return usable.map(device => {
    let index = device.index?.value ?? 0;
    if (!device.index) while (taken.has(key(device.vendor, index))) index++;
    taken.add(key(device.vendor, index));
    return { device, index };
  });
}
