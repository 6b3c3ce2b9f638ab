// Newer figures for the GPUs of an earlier look.
import type { Fact } from '../values/fact.ts';
import type { GpuDevice, GpuFigures, ReportedGpu, SourceReport } from './gpu.ts';
import { exceeds } from './merge.ts';

const words = ['memoryUsed', 'utilisation', 'temperature', 'power'] as const satisfies (keyof GpuFigures)[];

/** `report` with other figures, one for each of its sightings; what they do not say is no longer known. */
export function refreshed(report: SourceReport, figures: readonly GpuFigures[]): SourceReport {
  const sightings = report.sightings.map((sighting, place) => {
    const now: { -readonly [Word in keyof ReportedGpu]: ReportedGpu[Word] } = { ...sighting };
    for (const word of words) now[word] = figures[place]?.[word];
    return now;
  });
  return { ...report, sightings };
}

/** `devices` with the figures of `report`, where it is the source of a figure, or the GPU had none. */
export function measured(devices: readonly GpuDevice[], report: SourceReport): GpuDevice[] {
  const { source, took, readAt } = report;
  return devices.map(device => {
    const sighting = device.sources.includes(source) && report.sightings.find(one => isOf(one, device));
    if (!sighting) return device;
    const now: { -readonly [Word in keyof GpuFigures]: Fact<number> | undefined } = {};
    for (const word of words) {
      const before = device[word];
      // As in a look.
      const contradicts = word === 'memoryUsed' && exceeds(sighting[word], device.memory?.value);
      const value = contradicts ? undefined : sighting[word];
      if (before && before.source !== source) now[word] = before;
      else now[word] = value === undefined ? undefined : { value, source, took, readAt, others: [] };
    }
    return { ...device, ...now };
  });
}

const isOf = (sighting: ReportedGpu, { address, vendor, index }: GpuDevice): boolean =>
  sighting.address === undefined
    ? sighting.vendor === vendor && sighting.index === index?.value
    : sighting.address === address;
