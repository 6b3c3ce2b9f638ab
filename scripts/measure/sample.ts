// What the agent's looks at its machine cost: the sample of each resource report, and the hourly inventory.
import type { SampleReport } from './one-sample.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';
import { newFolder } from './workplace.ts';

export async function sampleCost(): Promise<Figure[]> {
  const worker = new Worker<SampleReport>(new URL('./one-sample.ts', import.meta.url), await newFolder());
  const { probe, node, inventory, inventoryTime } = await worker.next();
  await worker.end();
  const sample = (how: string, { cold, warm }: SampleReport['node']): Figure => ({
    what: `agent: one resource sample, CPU, ${how}`,
    measured: cold,
    unit: 'microseconds',
    budget: { atMost: 200 },
    beside: `after a pause; ${Math.round(warm)} µs one after the other`,
  });
  return [
    ...(probe ? [sample('by the native probe', probe)] : []),
    sample('without it', node),
    {
      what: 'agent: one inventory, CPU of all its processes',
      measured: inventory / 1000,
      unit: 'milliseconds',
      beside: `${Math.round(inventoryTime)} ms long; once an hour, in a child of low priority`,
    },
  ];
}
