// Reads NVIDIA's GPUs from NVML, the library of the driver, which the native probe calls.
import type { Inputs } from '../inputs/inputs.ts';
import type { NvmlFigures, NvmlGpu } from '../native/native-probe.ts';
import { mebibytes, ordinal, pciAddress, plausible } from '../values/parse.ts';
import { tidy } from '../values/tidy.ts';
import {
  type GpuFigures,
  type GpuSource,
  maxGpus,
  noGpus,
  type ReportedGpu,
  type SourceAnswer,
} from './gpu.ts';

export const nvml: GpuSource = { name: 'nvml', vendor: 'NVIDIA', read, readFigures };

async function read(inputs: Inputs): Promise<SourceAnswer> {
  const { value, fault } = await inputs.nvml();
  if (!value) return noGpus(fault);
  const driverVersion = tidy(value.driverVersion, 64);
  const cuda = tidy(value.cudaVersion, 64);
  const sightings = value.gpus.slice(0, maxGpus).map(gpu => ({ ...reportedGpu(gpu), driverVersion, cuda }));
  return { sightings };
}

async function readFigures(inputs: Inputs): Promise<readonly GpuFigures[] | undefined> {
  return (await inputs.nvmlFigures()).value?.map(figures);
}

function figures({ memoryUsed, utilisation, temperature, power }: NvmlFigures): GpuFigures {
  return {
    memoryUsed: mebibytes(memoryUsed),
    utilisation: plausible(utilisation, 0, 100),
    temperature: plausible(temperature, -50, 250),
    power: plausible(power, 0, 10_000),
  };
}

function reportedGpu(gpu: NvmlGpu): ReportedGpu {
  return {
    vendor: 'NVIDIA',
    address: pciAddress(gpu.pciAddress),
    index: ordinal(gpu.index),
    uuid: tidy(gpu.uuid),
    name: tidy(gpu.name),
    memory: mebibytes(gpu.memoryTotal),
    ...figures(gpu),
    eccErrors: plausible(gpu.eccVolatile, 0, Number.MAX_SAFE_INTEGER),
    mig: gpu.mig ? gpu.migInstances.slice(0, 64).map(instance) : undefined,
    computes: true,
    broken: brokenReason(gpu),
  };
}

function instance({ index, name, uuid, memoryTotal }: NvmlGpu['migInstances'][number]) {
  return {
    index: ordinal(index) ?? 0,
    name: tidy(name),
    uuid: tidy(uuid),
    memory: mebibytes(memoryTotal),
  };
}

// Returns why the GPU is broken. After these errors nothing runs on it before a reset or a reboot. Other errors only mean
// that a property is unknown.
function brokenReason({ errors }: NvmlGpu): string | undefined {
  const fatal: Record<string, string> = {
    NVML_ERROR_GPU_IS_LOST: 'the driver lost it: it fell off the bus, or does not answer',
    NVML_ERROR_RESET_REQUIRED: 'it needs a reset',
    NVML_ERROR_IRQ_ISSUE: 'its interrupts do not arrive',
  };
  const fatalError = errors.find(({ error }) => Object.hasOwn(fatal, error));
  if (fatalError) return fatal[fatalError.error];
  // A GPU that is counted but cannot be opened has only a number. Jobs cannot open it either.
  const unopened = errors.find(({ call }) => /^nvmlDeviceGetHandleByIndex(?:_v2)?$/.test(call));
  return unopened && `the driver does not open it: ${tidy(unopened.error, 64)}`;
}
