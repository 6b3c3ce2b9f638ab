// A requester that says that it is ready is heard at once: a node that asks it then gets an answer, and not that nobody listens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Requester } from '../../agent/requester/requester.ts';
import { requesterInfo } from '../../agent/requester/roll/own-info.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import { startProxy } from '../support/recording-proxy.ts';

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
  const machine = { nodeId: 'node-0', hostname: 'h', os: 'linux', architecture: 'amd64', labels: {} };
  const requester = new Requester({
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
    log: silentLog,
    host: 'h',
    pid: process.pid,
    onLost: error => assert.fail(error),
  });
  t.after(() => requester.stop());
  await requester.start();
  const answer = await node.request(
    'node.management.node-1.UpdateResources/v1',
    '{"NodeID":"node-1"}',
    60_000,
  );
  assert.match(Buffer.from(answer.data).toString(), /not connected/);
});
