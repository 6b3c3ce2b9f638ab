// A shut stream takes nothing, from whoever it comes, and can be read; then it is what it was before. On a real nats-server.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventStreamConfig } from '../../agent/requester/events/stream-config.ts';
import type { Bucket, CopyingConnection, EventStream, StreamCopies } from '../../agent/transport/port.ts';
import { bytes, text } from '../support/connections.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { startConnection } from '../support/open-connection.ts';

describe('a shut stream', () => {
  let server: NatsServer;
  let connection: CopyingConnection;
  let copies: StreamCopies;
  let bucket: Bucket;
  let events: EventStream;
  const reopen = async (stream: string) => (await connection.storage()).reopen(stream);

  before(async () => {
    server = await startNatsServer();
    connection = startConnection(server.url);
    await connection.connected();
    copies = await connection.copies();
    const storage = await connection.storage();
    bucket = await storage.bucket({ name: 'b', history: 1 });
    events = await storage.stream(eventStreamConfig);
  });
  after(async () => {
    await connection.close(0);
    await server.release();
  });

  test('takes no write, by whoever has it open or opens it, and can be read', async () => {
    const revision = await bucket.put('a', bytes('1'), 0);
    await copies.shut('KV_b');
    await copies.shut('KV_b');
    assert.equal((await copies.counts('KV_b'))?.isShut, true);
    await assert.rejects(bucket.put('a', bytes('2'), revision), {
      fault: 'timeout',
      message: /moves to other/,
    });
    await assert.rejects(bucket.purge('a', revision, {}), { fault: 'timeout' });
    const again = await (await connection.storage()).bucket({ name: 'b', history: 1 });
    await assert.rejects(again.put('c', bytes('2'), 0), { fault: 'timeout' });
    assert.equal(text((await again.get('a'))?.value ?? bytes('')), '1');
    assert.equal(await reopen('KV_b'), true);
    assert.equal(await reopen('KV_b'), false);
    assert.equal((await copies.counts('KV_b'))?.isShut, false);
    assert.equal(await bucket.put('a', bytes('2'), revision), revision + 1);
  });

  test('is not opened by an event that somebody sends who does not know of it', async () => {
    const before = await copies.snapshot(eventStreamConfig.name, async () => undefined);
    await copies.shut(eventStreamConfig.name);
    await assert.rejects(events.publish('node.events.n.left', '{}', 'x'), { fault: 'timeout' });
    await (await connection.storage()).stream(eventStreamConfig);
    assert.equal((await copies.counts(eventStreamConfig.name))?.isShut, true);
    await reopen(eventStreamConfig.name);
    const { config } = await copies.snapshot(eventStreamConfig.name, async () => undefined);
    assert.deepEqual(config, before.config);
    await events.publish('node.events.n.left', '{}', 'x');
  });

  test('that is not there cannot be shut', async () => {
    await assert.rejects(copies.shut('NONE'), { fault: 'refused' });
    assert.equal(await reopen('NONE'), false);
  });
});
