// Finds the names of PCI devices in the PCI id database (pci.ids), if the machine has one.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { errnoOf } from '../../system/errors.ts';
import type { PciNames } from './inputs.ts';

const files = ['/usr/share/misc/pci.ids', '/usr/share/hwdata/pci.ids', '/usr/share/pci.ids'];

/** Number of bytes that are read at most. The database has 1.5 MB. */
const maxFileBytes = 16_777_216;

/**
 * Returns the names of `id`, which is vendor and device, such as `10de:2330`. It reads the first of `paths` that exists.
 * Returns undefined when the database does not know the vendor. @throws Error when a database cannot be read.
 */
export async function findPciNames(
  id: string,
  paths: readonly string[] = files,
): Promise<PciNames | undefined> {
  for (const path of paths) {
    try {
      return await namesIn(path, id);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return undefined;
}

// Returns the names in one file. In pci.ids(5) a vendor is at the start of a line, its devices follow after one tab, and
// their subsystems after two tabs.
async function namesIn(path: string, id: string): Promise<PciNames | undefined> {
  const [vendorId = '', deviceId = ''] = id.split(':');
  const stream = createReadStream(path, { encoding: 'utf8', end: maxFileBytes });
  // An error of the stream does not end the loop over its lines, so it is awaited separately.
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
