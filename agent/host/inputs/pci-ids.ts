// Names from the PCI id database (pci.ids), where the machine has one.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { errnoOf } from '../../system/errors.ts';
import type { PciNames } from './inputs.ts';

const files = ['/usr/share/misc/pci.ids', '/usr/share/hwdata/pci.ids', '/usr/share/pci.ids'];

/** The database has 1.5 MB. */
const longest = 16_777_216;

/**
 * The names of `id`, vendor and device such as `10de:2330`, by the first of `paths` that is there; undefined when none knows
 * the vendor. @throws Error when a database cannot be read.
 */
export async function pciNames(id: string, paths: readonly string[] = files): Promise<PciNames | undefined> {
  for (const path of paths) {
    try {
      return await namesIn(path, id);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return undefined;
}

// pci.ids(5): a vendor at the start of a line, its devices after one tab, their subsystems after two.
async function namesIn(path: string, id: string): Promise<PciNames | undefined> {
  const [vendorId = '', deviceId = ''] = id.split(':');
  const stream = createReadStream(path, { encoding: 'utf8', end: longest });
  // A stream's error does not reach those who wait for its lines.
  const failed = new Promise<never>((_, reject) => stream.once('error', reject));
  const search = async (): Promise<PciNames | undefined> => {
    let vendor: string | undefined;
    for await (const line of createInterface({ input: stream })) {
      if (vendor === undefined) {
        if (line.startsWith(`${vendorId} `)) vendor = line.slice(vendorId.length).trim();
      } else if (line.startsWith(`\t${deviceId} `)) {
        return { vendor, device: line.slice(deviceId.length + 1).trim() };
      } else if (!line.startsWith('\t') && !line.startsWith('#') && line !== '') {
        return { vendor };
      }
    }
    return vendor === undefined ? undefined : { vendor };
  };
  try {
    return await Promise.race([search(), failed]);
  } finally {
    stream.destroy();
  }
}
