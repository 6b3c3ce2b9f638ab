// Requesters find each other, also those that start at the same moment.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { peersSubject } from '../../../agent/protocol/subjects.ts';
import { Peers } from '../../../agent/requester/watcher/peers.ts';
import { systemClock } from '../../../agent/system/clock.ts';
import { silentLog } from '../../../agent/system/log.ts';
import type { Connection } from '../../../agent/transport/port.ts';
import { connectTo } from '../../support/connections.ts';
import { startNatsServer } from '../../support/nats-server.ts';

const server = await startNatsServer({ jetstream: false });
after(() => server.release());

const settings = { nodeDisconnectedAfter: 1, nodeUnknownAfter: 1, manualApproval: true, heartbeatTopic: '' };
const duty = { watches: () => true, onChange: () => undefined, onLeaving: () => undefined };

async function connected(): Promise<Connection> {
  const connection = connectTo(server.url);
  await connection.connected();
  return connection;
}

// Opens the peers of a requester, and waits until the broker knows where they listen.
async function openPeers(connection: Connection, clusterId: string, requester: string): Promise<Peers> {
  const peers = await Peers.open({
    connection,
    clusterId,
    me: { requester, host: 'h', pid: 1, instance: randomUUID(), since: new Date(0).toISOString() },
    version: '1.0.0',
    settings: () => settings,
    clock: systemClock,
    log: silentLog,
  });
  await connection.flush(30_000);
  return peers;
}

test('who asks a requester that is still starting is answered when it has started', async t => {
  const clusterId = randomUUID();
  const [first, second] = [await connected(), await connected()];
  const early = await openPeers(first, clusterId, 'node-0');
  t.after(() => early.stop());
  const opening = openPeers(second, clusterId, 'node-1');
  await second.flush(30_000);
  await first.flush(30_000);
  early.start(duty);
  const late = await opening;
  t.after(() => late.stop());
  assert.deepEqual(
    late.list().map(({ requester, watches }) => [requester, watches]),
    [['node-0', true]],
  );
});

test('only so many are answered as there may be requesters', async t => {
  const clusterId = randomUUID();
  const [requester, asker] = [await connected(), await connected()];
  const peers = await openPeers(requester, clusterId, 'node-0');
  t.after(() => peers.stop());
  let answers = 0;
  asker.subscribe('answers', () => answers++);
  for (let count = 0; count < 1_000; count++) {
    const asked = asker.request(peersSubject(clusterId), '', 60_000, 'answers');
    asked.catch(() => undefined);
  }
  await asker.flush(30_000);
  await requester.flush(30_000);
  peers.start(duty);
  await requester.flush(30_000);
  await asker.flush(30_000);
  assert.equal(answers, 32);
});
