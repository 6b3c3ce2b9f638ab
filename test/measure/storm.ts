// Measures how fast a whole cluster registers from cold: 10 000 nodes at once, while each record is written to the disk.
import { nodeBucket } from '../../agent/requester/roll/store.ts';
import { eventually } from '../support/eventually.ts';
import { NatsCluster } from '../support/nats-cluster.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import { cpuOf } from './processes.ts';
import { RequesterProcess } from './roles.ts';
import { quantile } from './statistics.ts';
import type { StormReport } from './storm-nodes.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';

const nodes = 10_000;
/** How many nodes wait for their answers at the same time. */
const atOnce = 2_000;
const timeoutMs = 120_000;

export async function registrationStorm(): Promise<Figure[]> {
  const server = await startNatsServer({ isSynced: true });
  const one = await storm(server.url, [server.pid], 1).finally(() => server.release());
  const cluster = await NatsCluster.start(3, { isSynced: true });
  const pids = cluster.servers.map(({ pid }) => pid);
  const three = await storm(cluster.urls[0] ?? '', pids, 3).finally(() => cluster.release());
  return [
    {
      ...figureOf(one),
      what: 'requester: registrations from cold, one server that syncs',
      budget: { atLeast: 3_000 },
    },
    { ...figureOf(three), what: 'requester: registrations from cold, three servers that sync' },
  ];
}

interface Storm {
  took: StormReport;
  /** CPU time of one registration with its event, in microseconds. The events of many come after the last answer. */
  requesterUs: number;
  brokersUs: number;
  /** The records that a client without a requester writes in a second, on the same brokers. */
  bareWrites: number;
}

const figureOf = ({ took, requesterUs, brokersUs, bareWrites }: Storm): Omit<Figure, 'what'> => ({
  measured: (nodes * 1_000) / took.tookMs,
  unit: 'a second',
  beside: [
    `${((nodes * 1_000) / took.tookMs / bareWrites).toFixed(2)}× what a bare client writes (${Math.round(bareWrites)} records)`,
    `none lost, ${took.repeated} repeated`,
    `CPU of each: requester ${Math.round(requesterUs)} µs, brokers ${Math.round(brokersUs)} µs, simulated node ${Math.round(took.cpuUs / nodes)} µs`,
    `machine idle for ${Math.round(took.idleShare * 100)} %`,
    `p99 ${Math.round(quantile(took.waitedMs, 0.99))} ms with ${atOnce} at once`,
  ].join('; '),
});

/** Registers all nodes, and waits until their events are stored too. @throws Error when one is not on the roll or in the store */
async function storm(url: string, brokers: readonly number[], replicas: number): Promise<Storm> {
  const requester = await RequesterProcess.start({ url }, { maxPending: 2 * nodes });
  const connection = await openConnection(url, 'bench');
  try {
    await requester.ready();
    const cpu = () => ({ requester: cpuOf(requester.program.pid), brokers: sumOf(brokers.map(cpuOf)) });
    const before = cpu();
    const worker = new Worker<StormReport>(new URL('./storm-nodes.ts', import.meta.url), url, nodes, atOnce);
    const took = await worker.next();
    await eventually(
      'the events are stored',
      async () => (await requester.status()).eventsWaiting === 0,
      timeoutMs,
    );
    const after = cpu();
    await worker.end();
    const { nodes: roll } = await requester.status();
    const bucket = await (await connection.storage()).bucket(nodeBucket);
    const { keys } = await bucket.state();
    // The requester itself is one of them.
    if (roll?.total !== nodes + 1 || keys !== nodes + 1)
      throw new Error(`${roll?.total} of ${nodes + 1} nodes are on the roll, and ${keys} in the store`);
    await requester.program.stop();
    const bare = new Worker<number>(
      new URL('./bare-writes.ts', import.meta.url),
      ...[url, nodes, atOnce, replicas],
    );
    const bareMs = await bare.next();
    await bare.end();
    return {
      took,
      bareWrites: (nodes * 1_000) / bareMs,
      requesterUs: (after.requester - before.requester) / nodes,
      brokersUs: (after.brokers - before.brokers) / nodes,
    };
  } finally {
    await connection.close();
    await requester.program.stop();
  }
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
