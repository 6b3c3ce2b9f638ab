// What the servers store is compared record by record, and read as it is.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import { nodeBucket } from '../../../agent/requester/roll/store.ts';
import type { CopyingConnection } from '../../../agent/transport/port.ts';
import { makeNatsServer, type NatsServer } from '../../support/nats-server.ts';
import { startConnection } from '../../support/open-connection.ts';
import { hasAll, readStoredRoll } from './stored-roll.ts';

const roll = (revisions: Record<string, number>, events = 5, lastEvent = 9) => ({
  revisions: new Map(Object.entries(revisions)),
  events,
  lastEvent,
});

describe('a store of a cluster', () => {
  let server: NatsServer;
  let connection: CopyingConnection;
  before(async () => {
    server = await makeNatsServer();
    await server.start();
    connection = startConnection(server.url);
    await connection.connected();
  });
  after(async () => {
    await connection?.close(0);
    await server?.release();
  });

  it('has everything when each record is as new, and no event is missing', () => {
    const earlier = roll({ a: 3, b: 7 });
    assert.ok(hasAll(earlier, earlier));
    assert.ok(hasAll(roll({ a: 3, b: 12, c: 8 }, 6, 10), earlier));
    assert.ok(!hasAll(roll({ a: 3, c: 8 }), earlier), 'a record is gone');
    assert.ok(!hasAll(roll({ a: 2, b: 7 }), earlier), 'a record is older');
    assert.ok(!hasAll(roll({ a: 3, b: 7 }, 4), earlier), 'an event is gone');
    assert.ok(!hasAll(roll({ a: 3, b: 7 }, 5, 8), earlier), 'the newest event is gone');
  });

  it('is read with the revision of each record, deleted ones too, and its events', async () => {
    const storage = await connection.storage();
    const bucket = await storage.bucket(nodeBucket);
    const events = await storage.stream(eventStreamConfig);
    await bucket.put('node-1', Buffer.from('{}'), 0);
    const revision = await bucket.put('node-2', Buffer.from('{}'), 0);
    const purged = await bucket.purge('node-2', revision, {});
    await events.publish('node.events.node-1', '{}', 'id-1');
    assert.deepEqual(await readStoredRoll(connection), roll({ 'node-1': 1, 'node-2': purged }, 1, 1));
  });
});
