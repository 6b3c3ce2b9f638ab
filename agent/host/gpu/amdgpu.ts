// Reads AMD's GPUs from the files of the kernel's driver amdgpu (kernel documentation, gpu/amdgpu).
import type { Inputs } from '../inputs/inputs.ts';
import { lineValue, mebibytes, plausible, wholeNumber } from '../values/parse.ts';
import { tidy } from '../values/tidy.ts';
import {
  addressesOf,
  deviceFolder,
  type FigureReader,
  readAllFigures,
  readNumber,
  readSensors,
} from './drm.ts';
import { type GpuFigures, type GpuSource, noGpus, type ReportedGpu, type SourceAnswer } from './gpu.ts';

export const amdgpu: GpuSource = { name: 'amdgpu', vendor: 'AMD/ATI', read, readFigures };

async function read(inputs: Inputs): Promise<SourceAnswer> {
  const { value: addresses, fault } = await addressesOf(inputs, 'amdgpu');
  if (!addresses) return noGpus(fault);
  // The driver has a version number only when it comes from AMD itself, and not with the kernel.
  const driverVersion = tidy((await inputs.file('/sys/module/amdgpu/version')).value, 64);
  const sightings: ReportedGpu[] = [];
  for (const address of addresses) sightings.push({ ...(await readGpu(inputs, address)), driverVersion });
  return { sightings };
}

const drivers = ['amdgpu'];
const figureReader: FigureReader = {
  read: (inputs, { address = '' }) => figuresOf(inputs, address),
  // The driver always knows the memory in use, unless the GPU no longer answers.
  isLost: (gpu, now) => gpu.memoryUsed !== undefined && now.memoryUsed === undefined,
};

function readFigures(
  inputs: Inputs,
  before: readonly ReportedGpu[],
): Promise<readonly GpuFigures[] | undefined> {
  return readAllFigures(inputs, drivers, before, figureReader);
}

async function figuresOf(inputs: Inputs, address: string): Promise<GpuFigures> {
  const folder = deviceFolder(address);
  const usedBytes = await readNumber(inputs, `${folder}/mem_info_vram_used`);
  const busyPercent = await readNumber(inputs, `${folder}/gpu_busy_percent`);
  return {
    memoryUsed: mebibytes(usedBytes),
    utilisation: plausible(busyPercent, 0, 100),
    ...(await readSensors(inputs, address, ['temp1_input'], ['power1_average', 'power1_input'])),
  };
}

async function readGpu(inputs: Inputs, address: string): Promise<ReportedGpu> {
  const folder = deviceFolder(address);
  const totalBytes = await readNumber(inputs, `${folder}/mem_info_vram_total`);
  // Only cards for servers have this file.
  const product = (await inputs.file(`${folder}/product_name`)).value;
  const errors = (await inputs.file(`${folder}/ras/umc_err_count`)).value;
  return {
    vendor: 'AMD/ATI',
    address,
    name: tidy(product),
    memory: mebibytes(totalBytes),
    driver: 'amdgpu',
    ...(await figuresOf(inputs, address)),
    // The file has the lines `ue: 0` for uncorrected and `ce: 3` for corrected errors.
    eccErrors: wholeNumber(lineValue(errors, 'ue')),
    computes: true,
  };
}
