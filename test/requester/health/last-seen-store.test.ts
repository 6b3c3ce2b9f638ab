// Tests what the store keeps about when nodes were last heard: when it is written, and what is read back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LastSeenStore, readLastSeen } from '../../../agent/requester/health/last-seen-store.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import type { Bucket } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { RequesterFixture } from '../requester-fixture.ts';

const bucketConfig = { name: 'muster_v1', history: 1 } as const;
const now = Date.parse('2026-01-01T00:00:00Z');

async function begin(nodes = new Map<string, number | undefined>()) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const bucket: Bucket = await (await broker.connect().storage()).bucket(bucketConfig);
  const { log, lines } = recordLog();
  const store = new LastSeenStore(
    {
      bucket,
      clock,
      log,
      nodes: () => [...nodes].map(([id, lastSeenAt]) => ({ id, lastSeenAt })),
      lastSeenAt: id => nodes.get(id),
    },
    (await readLastSeen(bucket, log)).revisions,
  );
  const writes = () => broker.openBucket(bucketConfig.name).revision;
  const read = async () => Object.fromEntries((await readLastSeen(bucket, log)).times);
  return { clock, broker, bucket, nodes, store, lines, log, writes, read };
}

describe('the times at which nodes were last heard', () => {
  test('are written together a few seconds after nodes fell silent, and only what changed', async () => {
    const { clock, nodes, store, writes, read } = await begin();
    for (let i = 0; i < 1_000; i++) nodes.set(`node-${i}`, now + i * 1_000);
    store.markChanged('node-7');
    store.markChanged('node-7');
    await clock.advance(4_999);
    assert.equal(writes(), 0);
    await clock.advance(1);
    assert.equal(writes(), 1);
    assert.equal((await read())['node-7'], now + 7_000);
    await clock.advance(600_000);
    assert.equal(writes(), 1);
  });

  test('are all written every hour and at a stop, in few keys, and read back to the second', async () => {
    const { clock, nodes, store, writes, read } = await begin();
    for (let i = 0; i < 1_000; i++) nodes.set(`node-${i}`, now + i * 1_000 + 999);
    nodes.set('never', undefined);
    store.start();
    await clock.advance(3_605_000);
    assert.equal(writes(), 128);
    const expected = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, i) => [`node-${i}`, now + i * 1_000]),
    );
    assert.deepEqual(await read(), expected);
    nodes.delete('node-1');
    store.onRemoved('node-1');
    store.stop();
    assert.equal(clock.pending, 0);
    await store.writeAll();
    assert.equal(writes(), 256);
  });

  test('of a removed node are forgotten, and a node that was never heard costs nothing', async () => {
    const { clock, nodes, store, writes, read } = await begin();
    nodes.set('node-1', now);
    nodes.set('never', undefined);
    store.markChanged('node-1');
    await clock.advance(5_000);
    assert.deepEqual(await read(), { 'node-1': now });
    store.onRemoved('never');
    store.onRemoved('node-1');
    nodes.clear();
    await clock.advance(5_000);
    assert.deepEqual(await read(), {});
    assert.equal(writes(), 2);
  });

  test('are written again when the store fails, or was lost', async () => {
    const { clock, broker, nodes, store, lines, read } = await begin();
    nodes.set('node-1', now);
    broker.failNext('put', { fault: 'refused' });
    broker.failNext('put', { fault: 'timeout', applied: true });
    store.markChanged('node-1');
    await clock.advance(30_000);
    assert.deepEqual(await read(), { 'node-1': now });
    assert.equal(lines.length, 1);
    broker.wipe();
    broker.start();
    store.markAllChanged();
    await clock.advance(5_000);
    assert.deepEqual(await read(), { 'node-1': now });
  });

  test('are no longer written when another requester took over', async () => {
    const { bucket, nodes, store, clock, lines, writes } = await begin();
    nodes.set('node-1', now);
    bucket.put = () => Promise.reject(new MusterError('in_use', 'another requester took over'));
    store.markChanged('node-1');
    await clock.advance(5_000);
    await store.writeAll();
    assert.deepEqual([writes(), lines.length], [0, 0]);
  });

  test('are left out when they cannot be read', async () => {
    const { bucket, log, lines, store, nodes, clock, read } = await begin();
    const values = [
      '{"node-1":1767225600,"a b":1,"node-2":-1,"node-3":"x","node-4":1e300,"node-5":9e12}',
      '{"node-6":',
      'null',
      '{"a\\u0062":1767225600}',
      `{"node-7":${' '.repeat(1024 * 1024)}1}`,
      '[1767225600]',
    ];
    for (const [i, value] of values.entries()) await bucket.put(`seen.${i}`, Buffer.from(value), 0);
    await bucket.put('seen.999', Buffer.from('{"node-8":1767225600}'), 0);
    await bucket.put('other', Buffer.from('x'), 0);
    const { times } = await readLastSeen(bucket, log);
    assert.deepEqual([...times], [['node-1', 1_767_225_600_000]]);
    assert.equal(lines.length, 5);
    // Unreadable values are replaced.
    nodes.set('node-9', now);
    store.markAllChanged();
    await clock.advance(5_000);
    assert.equal((await read())['node-9'], now);
  });
});

describe('after a restart of the requester', () => {
  const lastHeartbeat = (fixture: RequesterFixture, id: string) =>
    fixture.requester.directory.get(id).ConnectionState.LastHeartbeat;

  test('the last heartbeat is shown, and the health is UNKNOWN until the node is heard', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.register('never');
    await fixture.heartbeat('node-1');
    await fixture.clock.advance(10_000);
    const heard = lastHeartbeat(fixture, 'node-1');
    await fixture.finish(fixture.requester.stop());
    await fixture.connection.close();
    await fixture.clock.advance(3_000);
    await fixture.start();
    assert.equal(lastHeartbeat(fixture, 'node-1'), heard);
    assert.equal(lastHeartbeat(fixture, 'never'), '0001-01-01T00:00:00Z');
    const { Muster } = fixture.requester.directory.get('node-1');
    assert.deepEqual([Muster.Health, Muster.Silence], ['UNKNOWN', undefined]);
    await fixture.heartbeat('node-1');
    assert.notEqual(lastHeartbeat(fixture, 'node-1'), heard);
  });

  test('it is also shown after a kill for a node that had fallen silent, or had left', async () => {
    const fixture = await RequesterFixture.started();
    for (const id of ['silent', 'left']) {
      await fixture.register(id);
      await fixture.heartbeat(id);
    }
    await fixture.live(60_000);
    await fixture.ask('left', 'Leave/v1', { NodeID: 'left', Reason: 'r', ...fixture.senderOf('left') });
    await fixture.clock.advance(10_000);
    await fixture.kill();
    await fixture.start();
    for (const id of ['silent', 'left']) assert.equal(lastHeartbeat(fixture, id), '2026-01-01T00:00:00.000Z');
  });

  test('it is not shown for a new node under the id of a deleted one', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await fixture.heartbeat('node-1');
    await fixture.delete('node-1');
    await fixture.register('node-1');
    await fixture.clock.advance(10_000);
    await fixture.kill();
    await fixture.start();
    assert.equal(lastHeartbeat(fixture, 'node-1'), '0001-01-01T00:00:00Z');
  });
});
