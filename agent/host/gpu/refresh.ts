// Replaces the figures of the GPUs of the last scan by new ones.
import type { Fact } from '../values/fact.ts';
import type { GpuDevice, GpuFigures, ReportedGpu, SourceReport } from './gpu.ts';
import { exceeds } from './merge.ts';

/** Returns `report` with new figures, one set for each of its GPUs. A figure that is absent now becomes unknown. */
export function withFigures(report: SourceReport, figures: readonly GpuFigures[]): SourceReport {
  const sightings = report.sightings.map((gpu, place) => {
    const { memoryUsed, utilisation, temperature, power }: GpuFigures = figures[place] ?? {};
    return { ...gpu, memoryUsed, utilisation, temperature, power };
  });
  return { ...report, sightings };
}

/** Returns `devices` with the figures of `report`, except figures that another source gave. */
export function withFiguresOf(report: SourceReport, devices: readonly GpuDevice[]): GpuDevice[] {
  const { sightings, source } = report;
  return devices.map((device, place) => {
    if (!device.sources.includes(source)) return device;
    // Most machines have GPUs of one maker, which the source and the list have in the same order.
    const inSamePlace = sightings[place];
    const gpu =
      inSamePlace && isSameGpu(inSamePlace, device)
        ? inSamePlace
        : sightings.find(one => isSameGpu(one, device));
    if (!gpu) return device;
    // As in a scan, a value for memory in use that is more than the total is not used.
    const memoryUsed = exceeds(gpu.memoryUsed, device.memory?.value) ? undefined : gpu.memoryUsed;
    return {
      ...device,
      memoryUsed: factNow(report, device.memoryUsed, memoryUsed),
      utilisation: factNow(report, device.utilisation, gpu.utilisation),
      temperature: factNow(report, device.temperature, gpu.temperature),
      power: factNow(report, device.power, gpu.power),
    };
  });
}

function factNow(
  { source, took, readAt }: SourceReport,
  before: Fact<number> | undefined,
  value: number | undefined,
): Fact<number> | undefined {
  if (before && before.source !== source) return before;
  return value === undefined ? undefined : { value, source, took, readAt, others: [] };
}

const isSameGpu = (gpu: ReportedGpu, { address, vendor, index }: GpuDevice): boolean =>
  gpu.address === undefined ? gpu.vendor === vendor && gpu.index === index?.value : gpu.address === address;
