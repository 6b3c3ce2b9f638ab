// The GPU sources for the kernel's open drivers (amdgpu, i915, xe) share this code: the folders in sysfs, and the sensors.
import type { Answer, Inputs } from '../inputs/inputs.ts';
import { pciAddress, plausible, wholeNumber } from '../values/parse.ts';
import { type GpuFigures, maxGpus, type ReportedGpu } from './gpu.ts';

/** Returns the folder in sysfs of the device at a PCI address. */
export const deviceFolder = (address: string) => `/sys/bus/pci/devices/${address}`;

/** Lists the PCI addresses of the devices that `driver` controls. */
export async function addressesOf(inputs: Inputs, driver: string): Promise<Answer<readonly string[]>> {
  const { value, ...rest } = await inputs.folder(`/sys/bus/pci/drivers/${driver}`);
  // The folder also has files of the driver itself, such as `bind`.
  return value ? { value: value.filter(name => pciAddress(name) === name).slice(0, maxGpus), ...rest } : rest;
}

/** The way in which a source reads the figures of one of its GPUs. */
export interface FigureReader {
  read(inputs: Inputs, gpu: ReportedGpu): Promise<GpuFigures>;
  /** Returns whether the GPU no longer answers. `gpu` is the GPU in the last scan, `now` are its new figures. */
  isLost(gpu: ReportedGpu, now: GpuFigures): boolean;
}

/**
 * Reads the figures of all GPUs that the last scan reported, in their order. Returns undefined when a scan is needed,
 * because the drivers have other devices now or a GPU is lost.
 */
export async function readAllFigures(
  inputs: Inputs,
  drivers: readonly string[],
  before: readonly ReportedGpu[],
  reader: FigureReader,
): Promise<readonly GpuFigures[] | undefined> {
  for (const driver of drivers) if (!(await isBoundAsBefore(inputs, driver, before))) return undefined;
  const all: GpuFigures[] = [];
  for (const gpu of before) {
    const now = await reader.read(inputs, gpu);
    if (reader.isLost(gpu, now)) return undefined;
    all.push(now);
  }
  return all;
}

async function isBoundAsBefore(
  inputs: Inputs,
  driver: string,
  before: readonly ReportedGpu[],
): Promise<boolean> {
  const { value: now = [] } = await addressesOf(inputs, driver);
  const own = before.filter(gpu => gpu.driver === driver);
  return now.length === own.length && own.every(({ address }, place) => address === now[place]);
}

/** Reads a file that contains one number. */
export async function readNumber(inputs: Inputs, path: string): Promise<number | undefined> {
  return wholeNumber((await inputs.file(path)).value);
}

export interface Sensors {
  /** Temperature, in degrees Celsius. */
  temperature?: number | undefined;
  /** Power, in watts. */
  power?: number | undefined;
}

/**
 * Reads temperature and power of a device from its hwmon folder, where the kernel gives millidegrees and microwatts.
 * `temperatures` and `powers` are names of files, the best first.
 */
export async function readSensors(
  inputs: Inputs,
  address: string,
  temperatures: readonly string[],
  powers: readonly string[],
): Promise<Sensors> {
  const folder = `${deviceFolder(address)}/hwmon`;
  const hwmon = (await inputs.folder(folder)).value?.find(name => /^hwmon\d{1,6}$/.test(name));
  if (hwmon === undefined) return {};
  const readFirst = async (names: readonly string[], divisor: number) => {
    for (const name of names) {
      const value = await readNumber(inputs, `${folder}/${hwmon}/${name}`);
      if (value !== undefined) return value / divisor;
    }
    return undefined;
  };
  return {
    temperature: plausible(await readFirst(temperatures, 1000), -50, 250),
    power: plausible(await readFirst(powers, 1_000_000), 0, 10_000),
  };
}
