// Reads Intel's GPUs from the files of the kernel's drivers i915 and xe.
import type { Inputs } from '../inputs/inputs.ts';
import { mebibytes } from '../values/parse.ts';
import {
  addressesOf,
  deviceFolder,
  type FigureReader,
  readAllFigures,
  readNumber,
  readSensors,
  type Sensors,
} from './drm.ts';
import { type GpuFigures, type GpuSource, noGpus, type ReportedGpu, type SourceAnswer } from './gpu.ts';

export const intel: GpuSource = { name: 'intel sysfs', vendor: 'Intel', read, readFigures };

const drivers = ['i915', 'xe'] as const;

async function read(inputs: Inputs): Promise<SourceAnswer> {
  const sightings: ReportedGpu[] = [];
  let fault: SourceAnswer['fault'];
  for (const driver of drivers) {
    const bound = await addressesOf(inputs, driver);
    fault ??= bound.fault;
    for (const address of bound.value ?? []) sightings.push(await readGpu(inputs, driver, address));
  }
  return sightings.length > 0 ? { sightings } : noGpus(fault);
}

const figureReader: FigureReader = {
  read: (inputs, { driver, address = '' }) => sensorsOf(inputs, driver, address),
  // These drivers do not know the memory in use, and not every GPU has every sensor. A GPU that had a sensor in the last
  // scan but has none now is lost.
  isLost: (gpu, now) => hasSensor(gpu) && !hasSensor(now),
};

function readFigures(
  inputs: Inputs,
  before: readonly ReportedGpu[],
): Promise<readonly GpuFigures[] | undefined> {
  return readAllFigures(inputs, drivers, before, figureReader);
}

const hasSensor = ({ temperature, power }: Sensors): boolean => (temperature ?? power) !== undefined;

// i915 has one temperature, which is that of the package. xe has several; the second one is that of the package.
function sensorsOf(inputs: Inputs, driver: string | undefined, address: string): Promise<Sensors> {
  const temperatures = driver === 'xe' ? ['temp2_input', 'temp1_input'] : ['temp1_input'];
  return readSensors(inputs, address, temperatures, ['power1_input']);
}

async function readGpu(inputs: Inputs, driver: string, address: string): Promise<ReportedGpu> {
  const memory = mebibytes((await ownMemoryBytes(inputs, address)) || undefined);
  // The graphics of a processor are always device 2 on the first bus.
  const integrated = address === '0000:00:02.0' && memory === undefined;
  return {
    vendor: 'Intel',
    address,
    memory,
    driver,
    ...(await sensorsOf(inputs, driver, address)),
    computes: !integrated,
    doubt: integrated
      ? 'integrated graphics without memory of its own, which xpu-smi does not list'
      : undefined,
  };
}

// Returns the GPU's own memory. xe gives the memory of each tile. i915 gives it only in Intel's own build of the driver, in
// the files of the card.
async function ownMemoryBytes(inputs: Inputs, address: string): Promise<number | undefined> {
  const folder = deviceFolder(address);
  let sum = 0;
  for (let tile = 0; tile < 8; tile++) {
    const bytes = await readNumber(inputs, `${folder}/tile${tile}/physical_vram_size_bytes`);
    if (bytes === undefined) break;
    sum += bytes;
  }
  if (sum > 0) return sum;
  const card = (await inputs.folder(`${folder}/drm`)).value?.find(name => /^card\d{1,6}$/.test(name));
  return card === undefined ? undefined : readNumber(inputs, `${folder}/drm/${card}/lmem_total_bytes`);
}
