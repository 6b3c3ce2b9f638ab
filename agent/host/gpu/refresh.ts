// Replaces the figures of the GPUs of the last scan by new ones.
import type { Fact } from '../values/fact.ts';
import type { GpuDevice, GpuFigures, ReportedGpu, SourceReport } from './gpu.ts';
import { exceeds } from './merge.ts';

const figureNames = [
  'memoryUsed',
  'utilisation',
  'temperature',
  'power',
] as const satisfies (keyof GpuFigures)[];

/** Returns `report` with new figures, one set for each of its GPUs. A figure that is absent now becomes unknown. */
export function withFigures(report: SourceReport, figures: readonly GpuFigures[]): SourceReport {
  const sightings = report.sightings.map((gpu, place) => {
    const now: { -readonly [Name in keyof ReportedGpu]: ReportedGpu[Name] } = { ...gpu };
    for (const name of figureNames) now[name] = figures[place]?.[name];
    return now;
  });
  return { ...report, sightings };
}

/** Returns `devices` with the figures of `report`, except figures that another source gave. */
export function withFiguresOf(report: SourceReport, devices: readonly GpuDevice[]): GpuDevice[] {
  const { source, took, readAt } = report;
  return devices.map(device => {
    const gpu = device.sources.includes(source) && report.sightings.find(one => isSameGpu(one, device));
    if (!gpu) return device;
    const now: { -readonly [Name in keyof GpuFigures]: Fact<number> | undefined } = {};
    for (const name of figureNames) {
      const before = device[name];
      // As in a scan, a value for memory in use that is more than the total is not used.
      const impossible = name === 'memoryUsed' && exceeds(gpu[name], device.memory?.value);
      const value = impossible ? undefined : gpu[name];
      if (before && before.source !== source) now[name] = before;
      else now[name] = value === undefined ? undefined : { value, source, took, readAt, others: [] };
    }
    return { ...device, ...now };
  });
}

const isSameGpu = (gpu: ReportedGpu, { address, vendor, index }: GpuDevice): boolean =>
  gpu.address === undefined ? gpu.vendor === vendor && gpu.index === index?.value : gpu.address === address;
