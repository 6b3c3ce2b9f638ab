// Reads Intel's GPUs with the tool xpu-smi, which lists the GPUs for computing and knows their memory.
import type { Inputs, Tool } from '../inputs/inputs.ts';
import {
  asObject,
  jsonObject,
  mebibytes,
  member,
  ordinal,
  pciAddress,
  wholeNumber,
} from '../values/parse.ts';
import { tidy } from '../values/tidy.ts';
import { type GpuSource, maxGpus, noGpus, type ReportedGpu, type SourceAnswer } from './gpu.ts';

export const xpuSmi: GpuSource = { name: 'xpu-smi', tool: true, vendor: 'Intel', read };

const tool: Tool = { name: 'xpu-smi', folders: ['/usr/bin', '/usr/local/bin', '/opt/xpum/bin'] };

async function read(inputs: Inputs): Promise<SourceAnswer> {
  const listing = await inputs.run(tool, ['discovery', '--json']);
  if (!listing.value) return noGpus(listing.fault);
  const { value } = listing;
  const list = jsonObject(value.stdout)?.device_list;
  if (!Array.isArray(list)) {
    // Without a device, or without permission, the tool prints `{"error": …}`.
    const message = tidy(member(jsonObject(value.stdout) ?? {}, 'error') ?? value.stderr.trim(), 200);
    const reason = `ended with status ${value.status} and no list of devices${message ? `: ${message}` : ''}`;
    return noGpus({ kind: 'failed', reason });
  }
  const sightings: ReportedGpu[] = [];
  let fault: SourceAnswer['fault'];
  for (const listed of list.slice(0, maxGpus)) {
    const device = asObject(listed) ?? {};
    const index = ordinal(wholeNumber(member(device, 'device_id')));
    if (index === undefined) continue;
    const args = ['discovery', '--json', '--device', String(index)];
    const details = await inputs.run(tool, args);
    fault ??= details.fault;
    sightings.push(reportedGpu(index, { ...device, ...jsonObject(details.value?.stdout ?? '') }));
  }
  return { sightings, fault };
}

function reportedGpu(index: number, device: Readonly<Record<string, unknown>>): ReportedGpu {
  const total = wholeNumber(member(device, 'memory_physical_size_byte'));
  const free = wholeNumber(member(device, 'memory_free_size_byte'));
  return {
    vendor: 'Intel',
    address: pciAddress(member(device, 'pci_bdf_address')),
    index,
    uuid: tidy(member(device, 'uuid')),
    name: tidy(member(device, 'device_name')),
    memory: mebibytes(total || undefined),
    memoryUsed: total && free !== undefined && free <= total ? mebibytes(total - free) : undefined,
    driverVersion: tidy(member(device, 'driver_version'), 64),
    computes: true,
  };
}
