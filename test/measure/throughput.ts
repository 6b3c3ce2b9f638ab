// How many heartbeats a second the requester could hear on one core: what one costs it, through a real broker.
import { setTimeout as pause } from 'node:timers/promises';
import { fillStore } from './fill-store.ts';
import { cpuOf } from './processes.ts';
import { RequesterProcess, startBroker } from './roles.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';

const nodes = 1_000;
const warmUp = 3_000;
/** The best of so many windows counts: the one that other work on the machine disturbed least. */
const windows = 4;
const window = 1_500;

export async function heartbeatThroughput(): Promise<Figure[]> {
  const broker = await startBroker();
  await fillStore(broker.url, nodes);
  const requester = await RequesterProcess.start(broker);
  await requester.ready();
  const flood = new Worker(new URL('./flood.ts', import.meta.url), broker.url, nodes);
  const ours = await costOf(async () => ({
    count: (await requester.status()).counters.heartbeats,
    cpu: cpuOf(requester.program.pid),
  }));
  const subscriber = new Worker<Look>(new URL('./bare-subscriber.ts', import.meta.url), broker.url);
  const bare = await costOf(() => subscriber.next());
  const { heartbeatsOtherSession, heartbeatsUnknown, heartbeatsMalformed } = (await requester.status())
    .counters;
  await Promise.all([subscriber.end(), flood.end()]);
  await requester.program.stop();
  await broker.release();
  if (heartbeatsOtherSession + heartbeatsUnknown + heartbeatsMalformed > 0)
    throw new Error('some heartbeats were not taken');
  return [
    {
      what: 'requester: heartbeats a second on one core',
      measured: 1e6 / ours,
      unit: 'a second',
      budget: { atLeast: 150_000 },
      beside: `no MAC yet; ${ours.toFixed(2)} µs each, ${(ours / bare).toFixed(1)}× the bare client (${bare.toFixed(2)} µs)`,
    },
  ];
}

/** How many were counted, and the microseconds of CPU that it took. */
export interface Look {
  count: number;
  cpu: number;
}

/** Microseconds of CPU for each one that is counted. */
async function costOf(look: () => Promise<Look>): Promise<number> {
  await pause(warmUp);
  let before = await look();
  let best = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < windows; turn++) {
    await pause(window);
    const after = await look();
    best = Math.min(best, (after.cpu - before.cpu) / (after.count - before.count));
    before = after;
  }
  return best;
}
