// Intel's GPUs by the files of the kernel's i915 and xe drivers.
import type { Inputs } from '../inputs/inputs.ts';
import { mebibytes } from '../values/parse.ts';
import { boundAsSeen, boundTo, deviceFolder, numberIn, type Sensors, sensors } from './drm.ts';
import { type GpuFigures, type GpuSource, noGpus, type ReportedGpu, type SourceAnswer } from './gpu.ts';

export const intel: GpuSource = { name: 'intel sysfs', vendor: 'Intel', read, tick };

const drivers = ['i915', 'xe'] as const;
type Driver = (typeof drivers)[number];

async function read(inputs: Inputs): Promise<SourceAnswer> {
  const sightings: ReportedGpu[] = [];
  let fault: SourceAnswer['fault'];
  for (const driver of drivers) {
    const bound = await boundTo(inputs, driver);
    fault ??= bound.fault;
    for (const address of bound.value ?? []) sightings.push(await sighting(inputs, driver, address));
  }
  return sightings.length > 0 ? { sightings } : noGpus(fault);
}

async function tick(
  inputs: Inputs,
  seen: readonly ReportedGpu[],
): Promise<readonly GpuFigures[] | undefined> {
  for (const driver of drivers) if (!(await boundAsSeen(inputs, driver, seen))) return undefined;
  const all: GpuFigures[] = [];
  for (const { driver, address = '', temperature, power } of seen) {
    const now = await figures(inputs, driver as Driver, address);
    if ((temperature ?? power) !== undefined && (now.temperature ?? now.power) === undefined)
      return undefined;
    all.push(now);
  }
  return all;
}

// i915 has one temperature, of the whole package; of xe's, the second is that.
function figures(inputs: Inputs, driver: Driver, address: string): Promise<Sensors> {
  const temperatures = driver === 'xe' ? ['temp2_input', 'temp1_input'] : ['temp1_input'];
  return sensors(inputs, address, temperatures, ['power1_input']);
}

async function sighting(inputs: Inputs, driver: Driver, address: string): Promise<ReportedGpu> {
  const memory = mebibytes((await ownMemory(inputs, address)) || undefined);
  // The processor's own graphics are always device 2 on the first bus.
  const integrated = address === '0000:00:02.0' && memory === undefined;
  return {
    vendor: 'Intel',
    address,
    memory,
    driver,
    ...(await figures(inputs, driver, address)),
    computes: !integrated,
    doubt: integrated
      ? 'integrated graphics without memory of its own, which xpu-smi does not list'
      : undefined,
  };
}

// xe tells the memory of each tile; i915 only where Intel's own build of it is in use, beside the card's other files.
async function ownMemory(inputs: Inputs, address: string): Promise<number | undefined> {
  const folder = deviceFolder(address);
  let sum = 0;
  for (let tile = 0; tile < 8; tile++) {
    const bytes = await numberIn(inputs, `${folder}/tile${tile}/physical_vram_size_bytes`);
    if (bytes === undefined) break;
    sum += bytes;
  }
  if (sum > 0) return sum;
  const card = (await inputs.folder(`${folder}/drm`)).value?.find(name => /^card\d{1,6}$/.test(name));
  return card === undefined ? undefined : numberIn(inputs, `${folder}/drm/${card}/lmem_total_bytes`);
}
