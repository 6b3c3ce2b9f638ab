// Reads NVIDIA's GPUs from the files of the kernel driver. It needs no library and no tool, but does not know the memory.
import type { Inputs } from '../inputs/inputs.ts';
import { lineValue, pciAddress } from '../values/parse.ts';
import { tidy } from '../values/tidy.ts';
import { type GpuSource, maxGpus, noGpus, type ReportedGpu, type SourceAnswer } from './gpu.ts';

export const nvidiaProcfs: GpuSource = { name: 'nvidia procfs', vendor: 'NVIDIA', read };

const folder = '/proc/driver/nvidia';

async function read(inputs: Inputs): Promise<SourceAnswer> {
  const names = await inputs.folder(`${folder}/gpus`);
  if (!names.value) return noGpus(names.fault);
  const driverVersion = versionIn((await inputs.file(`${folder}/version`)).value);
  const sightings: ReportedGpu[] = [];
  let fault = names.fault;
  for (const name of names.value.slice(0, maxGpus)) {
    const address = pciAddress(name);
    if (address === undefined) continue;
    const { value: text, fault: unread } = await inputs.file(`${folder}/gpus/${name}/information`);
    if (text === undefined) fault ??= unread;
    const uuid = tidy(lineValue(text, 'GPU UUID'));
    const excluded = lineValue(text, 'GPU Excluded')?.toLowerCase() === 'yes';
    sightings.push({
      vendor: 'NVIDIA',
      address,
      name: tidy(lineValue(text, 'Model')),
      // The file has question marks until the GPU is used for the first time.
      uuid: uuid?.includes('?') ? undefined : uuid,
      driver: 'nvidia',
      driverVersion,
      computes: true,
      ...(excluded ? { broken: 'the driver was told to leave it out', meant: true } : {}),
    });
  }
  return { sightings, fault };
}

// Returns the version in a line such as `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar …` or `… Open
// Kernel Module for x86_64  570.133.20 …`.
function versionIn(text: string | undefined): string | undefined {
  return tidy(/Kernel Module(?: for \S+)?\s+(\d[\d.]{2,30})/.exec(text ?? '')?.[1]);
}
