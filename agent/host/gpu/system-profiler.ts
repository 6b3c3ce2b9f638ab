// Reads the GPUs of macOS from the slow inventory, which asks the system's profiler. Apple's GPUs use the machine's memory.
import type { Inputs } from '../inputs/inputs.ts';
import { mebibytes } from '../values/parse.ts';
import { type GpuSource, maxGpus, noGpus, type SourceAnswer } from './gpu.ts';

export const systemProfiler: GpuSource = { name: 'system profiler', read };

async function read(inputs: Inputs): Promise<SourceAnswer> {
  // On other systems the inventory has no GPUs, because asking for them would start a tool that may hang.
  if (inputs.system().platform !== 'darwin') return noGpus({ kind: 'absent', reason: 'is part of macOS' });
  const { value, fault } = await inputs.inventory();
  if (!value) return noGpus(fault);
  const sightings = (value.graphics ?? []).slice(0, maxGpus).map((graphics, index) => ({
    vendor: graphics.vendor,
    index,
    name: graphics.model,
    memory: graphics.memory,
    sharedMemory: graphics.memory === undefined ? mebibytes(value.memory) : undefined,
    cores: graphics.cores,
    computes: true,
  }));
  return { sightings };
}
