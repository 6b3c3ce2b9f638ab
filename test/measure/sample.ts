// Measures the CPU of the sample for each resource report, compared with a library that gives the same facts.
import { reasonOf } from '../../agent/system/errors.ts';
import { buildFakeNvml } from './c-library.ts';
import { probeMissing } from './native-probe.ts';
import type { Cost, SampleReport } from './one-sample.ts';
import type { Figure, Line } from './table.ts';
import { Worker } from './worker.ts';
import { newFolder } from './workplace.ts';

/** Number of GPUs of the fake library. */
const fakeGpus = 8;

/** Measures samples with and without the native probe, and with GPUs. */
export async function sampleCost(): Promise<Line[]> {
  const { sample, library, gpus } = await measure('machine');
  const seen = gpus ? `${gpus} GPUs` : 'no GPUs';
  const how = probeMissing ? `without the native probe, which ${probeMissing}` : 'by the native probe';
  const lines: Line[] = [figure('CPU', sample, `${how}, after a pause; ${seen}`)];
  if (library) {
    lines.push({
      what: 'systeminformation: CPU for the same facts',
      measured: total(library) / total(sample),
      unit: 'times',
      budget: { atLeast: 100 },
      beside: `mem, currentLoad, fsSize${gpus ? ', graphics' : ''}: ${milliseconds(library.ownUs)}, and ${milliseconds(library.childrenUs)} in children`,
    });
  }
  if (!probeMissing) {
    const without = await measure('without-probe');
    lines.push(figure('CPU, without the native probe', without.sample, 'as on a machine without Rust'));
  }
  return [...lines, await withGpus()];
}

// The other library is not measured here: it asks the makers' tools, which do not know these GPUs.
async function withGpus(): Promise<Line> {
  const what = `CPU, with ${fakeGpus} GPUs`;
  try {
    if (probeMissing) throw new Error(`the native probe ${probeMissing}, and only it can ask NVML`);
    const { sample, gpus } = await measure(await buildFakeNvml(await newFolder()));
    if (gpus !== fakeGpus) throw new Error(`${gpus} GPUs were found`);
    return figure(what, sample, 'a fake NVML that answers at once');
  } catch (error) {
    return { what: `agent: one resource sample, ${what}`, failed: reasonOf(error) };
  }
}

function figure(what: string, sample: Cost, beside: string): Figure {
  return {
    what: `agent: one resource sample, ${what}`,
    measured: total(sample),
    unit: 'microseconds',
    budget: { atMost: 200 },
    beside: `${beside}; ${milliseconds(sample.childrenUs)} in children`,
  };
}

async function measure(what: string): Promise<SampleReport> {
  const file = new URL('./one-sample.ts', import.meta.url);
  const worker = new Worker<SampleReport>(file, await newFolder(), what);
  try {
    return await worker.next();
  } finally {
    await worker.end();
  }
}

const total = ({ ownUs, childrenUs }: Cost) => ownUs + childrenUs;
const milliseconds = (cpuUs: number) => `${(cpuUs / 1000).toFixed(1)} ms`;
