// AMD's GPUs by the files of the kernel's amdgpu driver (kernel documentation, gpu/amdgpu).
import type { Inputs } from '../inputs/inputs.ts';
import { lineValue, mebibytes, plausible, wholeNumber } from '../values/parse.ts';
import { tidy } from '../values/tidy.ts';
import { boundAsSeen, boundTo, deviceFolder, numberIn, sensors } from './drm.ts';
import { type GpuFigures, type GpuSource, noGpus, type ReportedGpu, type SourceAnswer } from './gpu.ts';

export const amdgpu: GpuSource = { name: 'amdgpu', vendor: 'AMD/ATI', read, tick };

async function read(inputs: Inputs): Promise<SourceAnswer> {
  const { value: addresses, fault } = await boundTo(inputs, 'amdgpu');
  if (!addresses) return noGpus(fault);
  // Only the driver that AMD ships beside the kernel has a version of its own.
  const driverVersion = tidy((await inputs.file('/sys/module/amdgpu/version')).value, 64);
  const sightings: ReportedGpu[] = [];
  for (const address of addresses) sightings.push({ ...(await sighting(inputs, address)), driverVersion });
  return { sightings };
}

async function tick(
  inputs: Inputs,
  seen: readonly ReportedGpu[],
): Promise<readonly GpuFigures[] | undefined> {
  if (!(await boundAsSeen(inputs, 'amdgpu', seen))) return undefined;
  const all: GpuFigures[] = [];
  for (const { address = '', memoryUsed } of seen) {
    const now = await figures(inputs, address);
    if (memoryUsed !== undefined && now.memoryUsed === undefined) return undefined;
    all.push(now);
  }
  return all;
}

async function figures(inputs: Inputs, address: string): Promise<GpuFigures> {
  const folder = deviceFolder(address);
  const used = await numberIn(inputs, `${folder}/mem_info_vram_used`);
  const busy = await numberIn(inputs, `${folder}/gpu_busy_percent`);
  return {
    memoryUsed: mebibytes(used),
    utilisation: plausible(busy, 0, 100),
    ...(await sensors(inputs, address, ['temp1_input'], ['power1_average', 'power1_input'])),
  };
}

async function sighting(inputs: Inputs, address: string): Promise<ReportedGpu> {
  const folder = deviceFolder(address);
  const memory = await numberIn(inputs, `${folder}/mem_info_vram_total`);
  // Server cards only.
  const product = (await inputs.file(`${folder}/product_name`)).value;
  const errors = (await inputs.file(`${folder}/ras/umc_err_count`)).value;
  return {
    vendor: 'AMD/ATI',
    address,
    name: tidy(product),
    memory: mebibytes(memory),
    driver: 'amdgpu',
    ...(await figures(inputs, address)),
    // `ue: 0`, uncorrected, and `ce: 3`, corrected.
    eccErrors: wholeNumber(lineValue(errors, 'ue')),
    computes: true,
  };
}
