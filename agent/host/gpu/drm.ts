// What the kernel's open drivers (amdgpu, i915, xe) have in common: their folders in sysfs and their sensors.
import type { Answer, Inputs } from '../inputs/inputs.ts';
import { pciAddress, plausible, wholeNumber } from '../values/parse.ts';
import { maxGpus, type ReportedGpu } from './gpu.ts';

export const deviceFolder = (address: string) => `/sys/bus/pci/devices/${address}`;

/** The PCI addresses that the driver is bound to. */
export async function boundTo(inputs: Inputs, driver: string): Promise<Answer<readonly string[]>> {
  const { value, ...rest } = await inputs.folder(`/sys/bus/pci/drivers/${driver}`);
  // Beside the devices stand the driver's own switches, such as `bind`.
  return value ? { value: value.filter(name => pciAddress(name) === name).slice(0, maxGpus), ...rest } : rest;
}

/** Is the driver bound to exactly the GPUs that were seen? */
export async function boundAsSeen(
  inputs: Inputs,
  driver: string,
  seen: readonly ReportedGpu[],
): Promise<boolean> {
  const { value = [] } = await boundTo(inputs, driver);
  const before = seen.filter(sighting => sighting.driver === driver);
  return value.length === before.length && before.every(({ address }, place) => address === value[place]);
}

/** A file that holds one number. */
export async function numberIn(inputs: Inputs, path: string): Promise<number | undefined> {
  return wholeNumber((await inputs.file(path)).value);
}

export interface Sensors {
  temperature?: number | undefined;
  power?: number | undefined;
}

/**
 * Temperature and power of the device by its hwmon folder: millidegrees and microwatts, as the kernel's hwmon interface
 * counts everywhere. `temperatures` and `powers` name the files, the best first.
 */
export async function sensors(
  inputs: Inputs,
  address: string,
  temperatures: readonly string[],
  powers: readonly string[],
): Promise<Sensors> {
  const folder = `${deviceFolder(address)}/hwmon`;
  const hwmon = (await inputs.folder(folder)).value?.find(name => /^hwmon\d{1,6}$/.test(name));
  if (hwmon === undefined) return {};
  const first = async (names: readonly string[], divisor: number) => {
    for (const name of names) {
      const value = await numberIn(inputs, `${folder}/${hwmon}/${name}`);
      if (value !== undefined) return value / divisor;
    }
    return undefined;
  };
  return {
    temperature: plausible(await first(temperatures, 1000), -50, 250),
    power: plausible(await first(powers, 1_000_000), 0, 10_000),
  };
}
