// Reads all display controllers from sysfs, so that a GPU without a driver is also shown, with the reason why jobs cannot
// use it.
import type { Inputs } from '../inputs/inputs.ts';
import { mebibytes, pciAddress } from '../values/parse.ts';
import { tidy } from '../values/tidy.ts';
import { deviceFolder } from './drm.ts';
import { type GpuSource, maxGpus, noGpus, type ReportedGpu, type SourceAnswer, vendorNames } from './gpu.ts';

export const pci: GpuSource = { name: 'PCI', read };

/** Drivers that only show a picture: for remote management, for virtual machines, or at boot. */
const displayDrivers =
  /^(?:ast|mgag200|hibmc-drm|bochs-drm|cirrus|qxl|virtio-pci|vmwgfx|hyperv_drm|simpledrm|efifb|vesafb|ofdrm)$/;

async function read(inputs: Inputs): Promise<SourceAnswer> {
  const { value: names, fault } = await inputs.folder('/sys/bus/pci/devices');
  if (!names) return noGpus(fault);
  const sightings: ReportedGpu[] = [];
  for (const name of names.slice(0, 4096)) {
    const address = pciAddress(name);
    if (address === undefined || sightings.length === maxGpus) continue;
    const gpu = await readGpu(inputs, address, deviceFolder(name));
    if (gpu) sightings.push(gpu);
  }
  return { sightings };
}

async function readGpu(inputs: Inputs, address: string, folder: string): Promise<ReportedGpu | undefined> {
  const kind = hex((await inputs.file(`${folder}/class`)).value, 6);
  // Class 0x03 is a display controller. AMD's largest GPUs have the class 0x12, a processing accelerator.
  if (!kind?.startsWith('03') && !kind?.startsWith('12')) return undefined;
  const vendorId = hex((await inputs.file(`${folder}/vendor`)).value, 4);
  if (vendorId === undefined || (kind.startsWith('12') && vendorId !== '1002')) return undefined;
  const id = `${vendorId}:${hex((await inputs.file(`${folder}/device`)).value, 4) ?? '????'}`;
  const names = (await inputs.pciNames(id)).value;
  const vendor = vendorNames[vendorId] ?? tidy(names?.vendor, 64) ?? `PCI vendor ${vendorId}`;
  const link = (await inputs.link(`${folder}/driver`)).value;
  const driver = tidy(link?.slice(link.lastIndexOf('/') + 1), 64);
  const doubt = doubtOf(driver, vendorNames[vendorId] !== undefined);
  return {
    vendor,
    address,
    name: productName(names?.device) ?? `device ${id}`,
    driver,
    aperture: mebibytes(apertureBytesIn((await inputs.file(`${folder}/resource`)).value)),
    doubt,
  };
}

/** Returns the reason why jobs cannot use the GPU, as far as its driver shows it. */
function doubtOf(driver: string | undefined, knownVendor: boolean): string {
  if (driver === undefined)
    return knownVendor ? 'no driver is bound to it' : 'a display adapter without a driver';
  if (driver === 'vfio-pci' || driver === 'pci-stub' || driver === 'xen-pciback')
    return `it is set aside for a virtual machine (${driver})`;
  if (driver === 'nouveau' || driver === 'radeon' || driver === 'nova_core')
    return `its driver, ${driver}, does not compute`;
  if (displayDrivers.test(driver)) return `a display adapter (${driver}), not for computing`;
  return `its driver, ${driver}, does not list it`;
}

/** Returns the name of the product, which is written in brackets after the chip: `GA102 [GeForce RTX 3090]`. */
function productName(device: string | undefined): string | undefined {
  return tidy(/\[([^\]]+)\]\s*$/.exec(device ?? '')?.[1] ?? device);
}

// Returns the size of the largest suitable region. The file has one line for each region: start, end and flags. The flag
// 0x200 means memory and 0x2000 means prefetchable (ioport.h of Linux).
function apertureBytesIn(resource: string | undefined): number | undefined {
  let largest = 0n;
  for (const line of (resource ?? '').split('\n', 6)) {
    const match = /^0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16})$/i.exec(line.trim());
    if (!match) continue;
    const [start, end, flags] = match.slice(1).map(part => BigInt(`0x${part}`)) as [bigint, bigint, bigint];
    if ((flags & 0x2200n) !== 0x2200n || end <= start) continue;
    const size = end - start + 1n;
    if (size > largest) largest = size;
  }
  return largest > 0n ? Number(largest) : undefined;
}

function hex(text: string | undefined, digits: number): string | undefined {
  return new RegExp(`^0x([0-9a-f]{${digits}})$`, 'i').exec(text?.trim() ?? '')?.[1]?.toLowerCase();
}
