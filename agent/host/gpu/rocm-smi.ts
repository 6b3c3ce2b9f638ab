// Reads AMD's GPUs with the tool rocm-smi, for properties that the files of the driver do not have.
import type { Inputs, Tool } from '../inputs/inputs.ts';
import {
  asObject,
  decimalNumber,
  jsonObject,
  mebibytes,
  member,
  pciAddress,
  plausible,
  wholeNumber,
} from '../values/parse.ts';
import { tidy } from '../values/tidy.ts';
import { type GpuSource, maxGpus, noGpus, type ReportedGpu, type SourceAnswer } from './gpu.ts';

export const rocmSmi: GpuSource = { name: 'rocm-smi', tool: true, vendor: 'AMD/ATI', read };

const tool: Tool = { name: 'rocm-smi', folders: ['/opt/rocm/bin', '/usr/bin', '/usr/local/bin'] };
/** The properties that Bacalhau asks for, and others that the tool can answer in the same run. */
const args = [
  '--showproductname',
  '--showbus',
  '--showmeminfo',
  'vram',
  '--showuse',
  '--showtemp',
  '--showpower',
  '--showdriverversion',
  '--json',
];

async function read(inputs: Inputs): Promise<SourceAnswer> {
  const { value, fault } = await inputs.run(tool, args);
  if (!value) return noGpus(fault);
  const answer = jsonObject(value.stdout);
  if (!answer) {
    const message = tidy(value.stderr.trim() || value.stdout.trim(), 200);
    return noGpus({
      kind: 'failed',
      reason: `ended with status ${value.status} and no JSON${message ? `: ${message}` : ''}`,
    });
  }
  const driverVersion = tidy(member(asObject(answer.system) ?? {}, 'Driver version'), 64);
  const cards = Object.entries(answer).flatMap(([key, card]) => {
    const index = /^card(\d{1,5})$/.exec(key)?.[1];
    const object = asObject(card);
    return index !== undefined && object ? [{ index: Number(index), object }] : [];
  });
  return {
    sightings: cards
      .sort((a, b) => a.index - b.index)
      .slice(0, maxGpus)
      .map(({ index, object }) => ({ ...reportedGpu(index, object), driverVersion })),
  };
}

// Returns the GPU in `card`. The names of members differ between versions of the tool.
function reportedGpu(index: number, card: Readonly<Record<string, unknown>>): ReportedGpu {
  const temperature = member(card, 'Temperature (Sensor edge) (C)', 'Temperature (Sensor junction) (C)');
  const power = member(
    card,
    'Average Graphics Package Power (W)',
    'Current Socket Graphics Package Power (W)',
  );
  return {
    vendor: 'AMD/ATI',
    address: pciAddress(member(card, 'PCI Bus')),
    index,
    name: name(card),
    memory: mebibytes(wholeNumber(member(card, 'VRAM Total Memory (B)'))),
    memoryUsed: mebibytes(wholeNumber(member(card, 'VRAM Total Used Memory (B)'))),
    utilisation: plausible(decimalNumber(member(card, 'GPU use (%)')), 0, 100),
    temperature: plausible(decimalNumber(temperature), -50, 250),
    power: plausible(decimalNumber(power), 0, 10_000),
    computes: true,
  };
}

// Returns the name. The tool writes `N/A` or the device id for a GPU that it does not know.
function name(card: Readonly<Record<string, unknown>>): string | undefined {
  const series = tidy(member(card, 'Card series'));
  return series === undefined || /^(?:N\/A|0x[0-9a-f]+)$/i.test(series) ? undefined : series;
}
