// Measures what one heartbeat costs the requester, with fleets of three sizes and compared with the queue of Bacalhau 1.4.
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';

export async function heartbeatCost(): Promise<Figure[]> {
  const small = await measure(new URL('./one-heartbeat.ts', import.meta.url), 1_000);
  const middle = await measure(new URL('./one-heartbeat.ts', import.meta.url), 10_000);
  const large = await measure(new URL('./one-heartbeat.ts', import.meta.url), 100_000);
  const bacalhau = await measure(new URL('./bacalhau-queue.ts', import.meta.url), 10_000);
  const line = (nodes: string, measured: number, beside: string): Figure => ({
    what: `requester: one heartbeat, ${nodes} nodes`,
    measured,
    unit: 'nanoseconds',
    beside,
  });
  return [
    line('1 000', small, 'without the broker: decode, check, health'),
    line('10 000', middle, `Bacalhau 1.4's queue alone takes ${Math.round(bacalhau / middle)}× as long`),
    line('100 000', large, `${(large / small).toFixed(2)}× of 1 000 nodes: caches, not the algorithm`),
  ];
}

async function measure(file: URL, nodes: number): Promise<number> {
  const worker = new Worker<number>(file, nodes);
  const result = await worker.next();
  await worker.end();
  return result;
}
