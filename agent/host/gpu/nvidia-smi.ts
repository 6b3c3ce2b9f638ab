// Reads NVIDIA's GPUs with the tool nvidia-smi, for a machine where the library cannot be called directly.
import type { Fault, Inputs, Tool } from '../inputs/inputs.ts';
import { decimalNumber, ordinal, pciAddress, plausible, wholeNumber } from '../values/parse.ts';
import { tidy } from '../values/tidy.ts';
import {
  type GpuSource,
  type MigInstance,
  maxGpus,
  noGpus,
  type ReportedGpu,
  type SourceAnswer,
} from './gpu.ts';

export const nvidiaSmi: GpuSource = { name: 'nvidia-smi', tool: true, vendor: 'NVIDIA', read };

const tool: Tool = {
  name: 'nvidia-smi',
  folders: ['/usr/bin', '/usr/local/bin', '/opt/bin', '/usr/lib/wsl/lib', '/run/nvidia/driver/usr/bin'],
};

/**
 * The two lists of fields to ask for. Old drivers refuse a question that contains an unknown field. Then the second list
 * is used: the fields that Bacalhau asks for, and two more.
 */
const questions = [
  [
    'index',
    'uuid',
    'name',
    'pci.bus_id',
    'memory.total',
    'memory.used',
    'driver_version',
    'utilization.gpu',
    'temperature.gpu',
    'power.draw',
    'ecc.errors.uncorrected.volatile.total',
    'mig.mode.current',
  ],
  ['index', 'uuid', 'name', 'pci.bus_id', 'memory.total'],
] as const;

type Field = (typeof questions)[0][number];

async function read(inputs: Inputs): Promise<SourceAnswer> {
  let fault: Fault | undefined;
  for (const fields of questions) {
    const args = [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'];
    const answer = await inputs.run(tool, args);
    if (!answer.value) return noGpus(answer.fault);
    const { status, stdout, stderr } = answer.value;
    const rows = stdout.split('\n').flatMap(line => row(fields, line));
    if (status === 0) return reportedGpus(inputs, rows);
    const message = tidy(stdout.trim() || stderr.trim(), 200);
    fault = { kind: 'failed', reason: `ended with status ${status}${message ? `: ${message}` : ''}` };
    if (!/not a valid field/i.test(stdout + stderr)) break;
  }
  return noGpus(fault);
}

async function reportedGpus(
  inputs: Inputs,
  rows: readonly Partial<Record<Field, string>>[],
): Promise<SourceAnswer> {
  const split = rows.some(row => row['mig.mode.current'] === 'Enabled');
  const instances = split ? migInstances((await inputs.run(tool, ['-L'])).value?.stdout ?? '') : new Map();
  const sightings = rows.slice(0, maxGpus).map((row): ReportedGpu => {
    const index = wholeNumber(row.index);
    return {
      vendor: 'NVIDIA',
      address: pciAddress(row['pci.bus_id']),
      index: ordinal(index),
      uuid: tidy(row.uuid),
      name: tidy(row.name),
      memory: wholeNumber(row['memory.total']),
      memoryUsed: wholeNumber(row['memory.used']),
      driverVersion: tidy(row.driver_version, 64),
      utilisation: plausible(wholeNumber(row['utilization.gpu']), 0, 100),
      temperature: plausible(decimalNumber(row['temperature.gpu']), -50, 250),
      power: plausible(decimalNumber(row['power.draw']), 0, 10_000),
      eccErrors: wholeNumber(row['ecc.errors.uncorrected.volatile.total']),
      mig: row['mig.mode.current'] === 'Enabled' ? (instances.get(index) ?? []) : undefined,
      computes: true,
      broken: Object.values(row).some(value => /GPU is lost|Reset Required/i.test(value))
        ? 'the driver lost it: it fell off the bus, or needs a reset'
        : undefined,
    };
  });
  return { sightings };
}

// Returns the values of one line. Values such as `[N/A]` and `[Not Supported]` are dropped later. Only the name may contain
// a comma, and the name is not at the end.
function row(fields: readonly Field[], line: string): Partial<Record<Field, string>>[] {
  const cells = line.split(', ').map(cell => cell.trim());
  if (cells.length < fields.length) return [];
  const before = fields.indexOf('name');
  const after = cells.length - (fields.length - before - 1);
  const whole = [...cells.slice(0, before), cells.slice(before, after).join(', '), ...cells.slice(after)];
  if (wholeNumber(whole[0]) === undefined) return [];
  return [Object.fromEntries(fields.map((field, at) => [field, whole[at] ?? '']))];
}

// Reads the output of `nvidia-smi -L`: `GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-…)`, and below it one line for each part: `
// MIG 3g.20gb     Device  0: (UUID: MIG-…)`.
function migInstances(text: string): Map<number | undefined, MigInstance[]> {
  const byGpu = new Map<number | undefined, MigInstance[]>();
  let parts: MigInstance[] = [];
  for (const line of text.split('\n')) {
    const gpu = /^GPU (\d{1,5}): /.exec(line)?.[1];
    if (gpu !== undefined) {
      parts = [];
      byGpu.set(Number(gpu), parts);
      continue;
    }
    const part = /^\s*MIG (\S{1,40})\s+Device\s+(\d{1,5}): \(UUID: (MIG-[^)]{1,100})\)/.exec(line);
    if (part && parts.length < 64) {
      parts.push({ index: Number(part[2]), name: tidy(`MIG ${part[1]}`), uuid: tidy(part[3]) });
    }
  }
  return byGpu;
}
