// What the agent's look at its machine on each resource report costs, beside a library that gives the same facts.
import type { SampleReport } from './one-sample.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';
import { newFolder } from './workplace.ts';

export async function sampleCost(): Promise<Figure[]> {
  const worker = new Worker<SampleReport>(new URL('./one-sample.ts', import.meta.url), await newFolder());
  const { sample, library, gpus } = await worker.next();
  await worker.end();
  const milliseconds = (cpu: number) => (cpu / 1000).toFixed(1);
  const cost = sample.own + sample.children;
  return [
    {
      what: 'agent: one resource sample, CPU',
      measured: cost,
      unit: 'microseconds',
      budget: { atMost: 200 },
      beside: `after a pause, ${milliseconds(sample.children)} ms in children; ${gpus || 'no'} GPUs`,
    },
    {
      what: 'systeminformation: CPU for the same facts',
      measured: (library.own + library.children) / cost,
      unit: 'times',
      budget: { atLeast: 100 },
      beside: `mem, currentLoad, fsSize${gpus ? ', graphics' : ''}: ${milliseconds(library.own)} ms, and ${milliseconds(library.children)} ms in children`,
    },
  ];
}
