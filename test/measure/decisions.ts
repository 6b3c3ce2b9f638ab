// Measures how long one command takes that decides about, forgets or brings back a thousand of ten thousand nodes.
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { defaultHeartbeatTopic, heartbeatSubject } from '../../agent/protocol/subjects.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import { fillStore } from './fill-store.ts';
import { nodeIdOf, sessionOf } from './simulated-nodes.ts';
import type { Figure } from './table.ts';
import { newFolder } from './workplace.ts';

const nodes = 10_000;
/** The simulated nodes are in forty racks, so these have a thousand. */
const selected = ['--labels', 'rack in (r1,r2,r3,r4)'];
const budget = { atMost: 5_000 };

/** Rejects a thousand nodes and approves them again, then forgets them and brings them back. The store syncs each write, as that of the requester's own broker. */
export async function manyDecisions(): Promise<Figure[]> {
  const config = `jetstream { store_dir: "${await newFolder()}", sync_interval: always }`;
  const broker = await startNatsServer({ jetstream: false, config });
  await fillStore(broker.url, nodes);
  const cluster = await Cluster.create({ servers: broker.url });
  try {
    await cluster.requester({ 'requester.nodeDisconnectedAfter': '5s', 'requester.nodeUnknownAfter': '10s' });
    await hearOnce(broker.url, cluster);
    const rejectedMs = await timeOf(cluster, 'reject', ...selected);
    const approvedMs = await timeOf(cluster, 'approve', ...selected);
    const prunedMs = await timeOf(cluster, 'prune', '--silent-for', '1s', ...selected);
    const broughtBackMs = await timeOf(cluster, 'undelete', '--deleted-since', '1h');
    return [
      {
        what: 'command: a decision about 1 000 of 10 000 nodes',
        measured: Math.max(rejectedMs, approvedMs),
        unit: 'milliseconds',
        budget,
        beside: `reject ${Math.round(rejectedMs)} ms, approve ${Math.round(approvedMs)} ms, each with the start of the command`,
      },
      {
        what: 'command: a prune of 1 000 of 10 000 nodes',
        measured: prunedMs,
        unit: 'milliseconds',
        budget,
        beside: `undelete brings them back in ${Math.round(broughtBackMs)} ms`,
      },
    ];
  } finally {
    await cluster.release();
    await broker.release();
  }
}

/** Sends a heartbeat of each node, and waits until all are silent again and that is announced. */
async function hearOnce(url: string, cluster: Cluster): Promise<void> {
  const connection = await openConnection(url, 'bench');
  for (let index = 0; index < nodes; index++) {
    const message = { NodeID: nodeIdOf(index), Sequence: 1 };
    const data = encodeHeartbeat(message, sessionOf(index), new Date());
    connection.publish(heartbeatSubject(defaultHeartbeatTopic, nodeIdOf(index)), data);
  }
  const countOf = async (...filter: string[]) => {
    const { stdout } = await cluster.command('node', 'list', '-o', 'name', ...filter);
    return stdout.split('\n').length - 1;
  };
  const isSilent = async () => (await countOf('--silent-for', '1s', '--filter-status', 'unknown')) === nodes;
  await eventually('all nodes were heard, and are silent', isSilent, 120_000);
  const isTold = async () => (await cluster.status()).eventsWaiting === 0;
  await eventually('that is announced', isTold, 120_000);
  await connection.close();
}

async function timeOf(cluster: Cluster, ...command: string[]): Promise<number> {
  const began = performance.now();
  const { stdout, stderr } = await cluster.command('node', ...command, '--yes', '-o', 'json');
  const tookMs = performance.now() - began;
  const results = JSON.parse(stdout || '[]') as { Result: string }[];
  const done = results.filter(({ Result }) => Result === 'done').length;
  if (done !== 1_000)
    throw new Error(`${done} of 1 000 nodes were done by ${command[0]}: ${stderr.slice(0, 500)}`);
  return tookMs;
}
