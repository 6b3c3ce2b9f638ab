// Measures how many heartbeats a second the requester can take on one core, from the CPU of each through a real broker.
import { setTimeout as pause } from 'node:timers/promises';
import { fillStore } from './fill-store.ts';
import { cpuOf } from './processes.ts';
import { RequesterProcess, startBroker } from './roles.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';

const nodes = 1_000;
const warmUpMs = 3_000;
/** The best of this many windows counts, because other programs on the machine disturbed it least. */
const windowCount = 4;
const windowMs = 1_500;

export async function heartbeatThroughput(): Promise<Figure[]> {
  const broker = await startBroker();
  await fillStore(broker.url, nodes);
  const requester = await RequesterProcess.start(broker);
  await requester.ready();
  const flood = new Worker(new URL('./flood.ts', import.meta.url), broker.url, nodes);
  const ours = await costOf(async () => ({
    count: (await requester.status()).counters.heartbeats,
    cpuUs: cpuOf(requester.program.pid),
  }));
  const subscriber = new Worker<CountAndCpu>(new URL('./bare-subscriber.ts', import.meta.url), broker.url);
  const bare = await costOf(() => subscriber.next());
  const { heartbeatsOtherSession, heartbeatsUnknown, heartbeatsMalformed } = (await requester.status())
    .counters;
  await Promise.all([subscriber.end(), flood.end()]);
  await requester.program.stop();
  await broker.release();
  if (heartbeatsOtherSession + heartbeatsUnknown + heartbeatsMalformed > 0)
    throw new Error('some heartbeats were not accepted');
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

/** The number of heartbeats that were counted, and the CPU time in microseconds, both from the start. */
export interface CountAndCpu {
  count: number;
  cpuUs: number;
}

/** Returns the CPU time of one counted heartbeat, in microseconds. */
async function costOf(read: () => Promise<CountAndCpu>): Promise<number> {
  await pause(warmUpMs);
  let before = await read();
  let best = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < windowCount; turn++) {
    await pause(windowMs);
    const after = await read();
    best = Math.min(best, (after.cpuUs - before.cpuUs) / (after.count - before.count));
    before = after;
  }
  return best;
}
