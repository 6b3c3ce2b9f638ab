// What the agent's look at its machine on each resource report costs, beside a library that gives the same facts.
import { reasonOf } from '../../agent/system/errors.ts';
import { buildFakeNvml } from './c-library.ts';
import { probeMissing } from './native-probe.ts';
import type { SampleReport } from './one-sample.ts';
import type { Figure, Line } from './table.ts';
import { Worker } from './worker.ts';
import { newFolder } from './workplace.ts';

const budget = { atMost: 200 };

/** GPUs of the fake library. */
const fakeGpus = 8;

export async function sampleCost(): Promise<Line[]> {
  const { sample, library, gpus } = await measure();
  const ours = sample.own + sample.children;
  const figures: Figure[] = [
    {
      what: 'agent: one resource sample, CPU',
      measured: ours,
      unit: 'microseconds',
      budget,
      beside: `after a pause, ${milliseconds(sample.children)} of it in children; ${gpus || 'no'} GPUs`,
    },
  ];
  if (library) {
    figures.push({
      what: 'systeminformation: CPU for the same facts',
      measured: (library.own + library.children) / ours,
      unit: 'times',
      budget: { atLeast: 100 },
      beside: `mem, currentLoad, fsSize${gpus ? ', graphics' : ''}: ${milliseconds(library.own)}, and ${milliseconds(library.children)} in children`,
    });
  }
  return [...figures, await withGpus()];
}

// Without the peer: it asks tools, and GPUs that are not there have none.
async function withGpus(): Promise<Line> {
  const what = `agent: one resource sample with ${fakeGpus} GPUs, CPU`;
  try {
    if (probeMissing) throw new Error(`the native probe ${probeMissing}, and NVML is asked by it alone`);
    const { sample, gpus } = await measure(await buildFakeNvml(await newFolder()));
    if (gpus !== fakeGpus) throw new Error(`${gpus} GPUs were found`);
    const beside = 'of a fake NVML that answers at once';
    return { what, measured: sample.own + sample.children, unit: 'microseconds', budget, beside };
  } catch (error) {
    return { what, failed: reasonOf(error) };
  }
}

async function measure(...library: string[]): Promise<SampleReport> {
  const file = new URL('./one-sample.ts', import.meta.url);
  const worker = new Worker<SampleReport>(file, await newFolder(), ...library);
  try {
    return await worker.next();
  } finally {
    await worker.end();
  }
}

const milliseconds = (cpu: number) => `${(cpu / 1000).toFixed(1)} ms`;
