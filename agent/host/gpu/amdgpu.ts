// AMD's GPUs by the files of the kernel's amdgpu driver (kernel documentation, gpu/amdgpu).
import type { Inputs } from '../inputs.ts';
import { tidy } from '../text.ts';
import { boundTo, deviceFolder, numberIn, sensors } from './drm.ts';
import { type GpuSource, type Seen, type Sighting, unseen } from './gpu.ts';
import { lineValue, mebibytes, plausible, wholeNumber } from './parse.ts';

export const amdgpu: GpuSource = { name: 'amdgpu', vendor: 'AMD/ATI', read };

async function read(inputs: Inputs): Promise<Seen> {
  const { value: addresses, fault } = await boundTo(inputs, 'amdgpu');
  if (!addresses) return unseen(fault);
  // Only the driver that AMD ships beside the kernel has a version of its own.
  const driverVersion = tidy((await inputs.file('/sys/module/amdgpu/version')).value, 64);
  const sightings: Sighting[] = [];
  for (const address of addresses) sightings.push({ ...(await sighting(inputs, address)), driverVersion });
  return { sightings };
}

async function sighting(inputs: Inputs, address: string): Promise<Sighting> {
  const folder = deviceFolder(address);
  const memory = await numberIn(inputs, `${folder}/mem_info_vram_total`);
  const used = await numberIn(inputs, `${folder}/mem_info_vram_used`);
  const busy = await numberIn(inputs, `${folder}/gpu_busy_percent`);
  // Server cards only.
  const product = (await inputs.file(`${folder}/product_name`)).value;
  const errors = (await inputs.file(`${folder}/ras/umc_err_count`)).value;
  return {
    vendor: 'AMD/ATI',
    address,
    name: tidy(product),
    memory: mebibytes(memory),
    memoryUsed: mebibytes(used),
    driver: 'amdgpu',
    utilisation: plausible(busy, 0, 100),
    ...(await sensors(inputs, address, ['temp1_input'], ['power1_average', 'power1_input'])),
    // `ue: 0`, uncorrected, and `ce: 3`, corrected.
    eccErrors: wholeNumber(lineValue(errors, 'ue')),
    computes: true,
  };
}
