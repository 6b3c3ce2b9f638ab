// Measures how many events a second the watcher can announce, on one server and on three.

import { eventStreamConfig } from '../../agent/requester/events/stream-config.ts';
import { WatchFence } from '../../agent/requester/watcher/watch-fence.ts';
import { systemClock } from '../../agent/system/clock.ts';
import type { EventStream } from '../../agent/transport/port.ts';
import { connectTo } from '../support/connections.ts';
import { NatsCluster } from '../support/nats-cluster.ts';
import { startNatsServer } from '../support/nats-server.ts';
import type { Figure } from './table.ts';

const windowMs = 4_000;
/** Number of nodes whose events wait at the same time. */
const nodes = 500;

export async function eventThroughput(): Promise<Figure[]> {
  const server = await startNatsServer();
  const one = await rates(server.url).finally(() => server.release());
  const cluster = await NatsCluster.start();
  const three = await rates(cluster.urls[0] ?? '').finally(() => cluster.release());
  return [
    {
      what: 'requester: events a second, one server',
      measured: one.batches,
      unit: 'a second',
      beside: `${Math.round(one.single)} one at a time`,
    },
    {
      what: 'requester: events a second, three servers',
      measured: three.batches,
      unit: 'a second',
      beside: `${Math.round(three.single)} one at a time`,
    },
  ];
}

/** Returns the rate with batches, and with one event at a time behind the same fence. */
async function rates(url: string): Promise<{ batches: number; single: number }> {
  const connection = connectTo(url);
  await connection.connected();
  const stream = await (await connection.storage()).stream(eventStreamConfig);
  const single = { ...stream, publishBatch: async () => undefined };
  try {
    return { single: await rate(connection, single), batches: await rate(connection, stream) };
  } finally {
    await connection.close();
  }
}

async function rate(connection: ReturnType<typeof connectTo>, stream: EventStream): Promise<number> {
  const instance = crypto.randomUUID();
  const me = { requester: 'r', instance, host: 'h', pid: 1, since: '' };
  const fence = new WatchFence({
    connection,
    stream,
    clock: systemClock,
    me,
    right: { confirm: async () => undefined },
  });
  await fence.raise();
  const body = JSON.stringify({ text: 'x'.repeat(480) });
  const until = performance.now() + windowMs;
  let count = 0;
  const announce = async (node: number) => {
    for (let number = 0; performance.now() < until; number++) {
      await fence.publish(`node.events.n-${node}.updated`, body, `${instance}:${node}:${number}`);
      count++;
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: nodes }, (_, node) => announce(node)));
  return (count * 1_000) / (performance.now() - began);
}
