// A requester that says that it is ready is heard at once: a node that asks it then gets an answer, and not that nobody listens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Requester } from '../../agent/requester/requester.ts';
import { requesterInfo } from '../../agent/requester/roll/own-info.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { BrokerError, type Connection } from '../../agent/transport/port.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import { startProxy } from '../support/recording-proxy.ts';

/** Makes a requester. What it logs is added to `logged`. */
function requesterOn(connection: Connection, logged: string[] = []): Requester {
  const machine = { nodeId: 'node-0', hostname: 'h', os: 'linux', architecture: 'amd64', labels: {} };
  return new Requester({
    self: requesterInfo(machine),
    settings: {
      heartbeatFrequency: 1_000,
      heartbeatTopic: 'bacalhau.global.compute.{nodeId}.out.heartbeat',
      nodeDisconnectedAfter: 60_000,
      nodeUnknownAfter: 120_000,
      manualApproval: true,
      maxPending: 10,
    },
    connection,
    clock: systemClock,
    random: systemRandom,
    log: { ...silentLog, warn: (_: unknown, text: string) => void logged.push(text) },
    host: 'h',
    pid: process.pid,
    onLost: error => assert.fail(error),
  });
}

test('a requester is ready when the broker knows where it listens, on a slow way too', async t => {
  const broker = await startNatsServer();
  t.after(() => broker.release());
  // What the requester sends comes to the broker later than the first question of a node.
  const way = await startProxy({ to: broker.port, delayMs: 50 });
  t.after(() => way.close());
  const connection = await openConnection(`nats://127.0.0.1:${way.port}`, 'node-0');
  t.after(() => connection.close(0));
  const node = await openConnection(broker.url, 'node-1');
  t.after(() => node.close(0));
  const requester = requesterOn(connection);
  t.after(() => requester.stop());
  await requester.start();
  const answer = await node.request(
    'node.management.node-1.UpdateResources/v1',
    '{"NodeID":"node-1"}',
    60_000,
  );
  assert.match(Buffer.from(answer.data).toString(), /not connected/);
});

test('a requester whose broker does not say so in time is ready all the same, and says it', async t => {
  const broker = await startNatsServer();
  t.after(() => broker.release());
  const connection = await openConnection(broker.url, 'node-0');
  t.after(() => connection.close(0));
  const logged: string[] = [];
  const silent = new Proxy(connection, {
    get(target, name) {
      if (name === 'flush') return () => Promise.reject(new BrokerError('timeout', 'no answer'));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const requester = requesterOn(silent, logged);
  t.after(() => requester.stop());
  await requester.start();
  assert.deepEqual(logged.filter(text => text.includes('where this requester listens')).length, 1);
});
