// Measures how long one command takes that decides about a thousand of ten thousand nodes.
import { Cluster } from '../support/cluster.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { fillStore } from './fill-store.ts';
import type { Figure } from './table.ts';
import { newFolder } from './workplace.ts';

const nodes = 10_000;
/** The simulated nodes are in forty racks, so these have a thousand. */
const racks = 'rack in (r1,r2,r3,r4)';

/** Rejects a thousand nodes, and approves them again. The store syncs each write, as that of the requester's own broker. */
export async function manyDecisions(): Promise<Figure[]> {
  const config = `jetstream { store_dir: "${await newFolder()}", sync_interval: always }`;
  const broker = await startNatsServer({ jetstream: false, config });
  await fillStore(broker.url, nodes);
  const cluster = await Cluster.create({ servers: broker.url });
  try {
    await cluster.requester();
    const rejectedMs = await timeOf(cluster, 'reject');
    const approvedMs = await timeOf(cluster, 'approve');
    return [
      {
        what: 'command: a decision about 1 000 of 10 000 nodes',
        measured: Math.max(rejectedMs, approvedMs),
        unit: 'milliseconds',
        budget: { atMost: 5_000 },
        beside: `reject ${Math.round(rejectedMs)} ms, approve ${Math.round(approvedMs)} ms, each with the start of the command`,
      },
    ];
  } finally {
    await cluster.release();
    await broker.release();
  }
}

async function timeOf(cluster: Cluster, action: 'approve' | 'reject'): Promise<number> {
  const began = performance.now();
  const { stdout, stderr } = await cluster.command('node', action, '--labels', racks, '--yes', '-o', 'json');
  const tookMs = performance.now() - began;
  const results = JSON.parse(stdout || '[]') as { Result: string }[];
  const done = results.filter(({ Result }) => Result === 'done').length;
  if (done !== 1_000) throw new Error(`${done} of 1 000 decisions were made: ${stderr.slice(0, 500)}`);
  return tookMs;
}
