// Tests the incarnation of the store: when it stays, when a new one is made, and that no two events share an id.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterBucket } from '../../agent/requester/cluster/cluster-bucket.ts';
import { Incarnation } from '../../agent/requester/incarnation.ts';
import { nodeBucket } from '../../agent/requester/roll/store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker } from '../support/fake-connection.ts';
import { recordLog } from '../support/log-lines.ts';
import { RequesterFixture } from './requester-fixture.ts';
import { counting } from './samples.ts';

async function begin() {
  const broker = new FakeBroker(new FakeClock());
  const storage = await broker.connect().storage();
  const cluster = await storage.bucket(clusterBucket);
  const nodes = await storage.bucket(nodeBucket);
  const { log, lines } = recordLog();
  const random = counting('s');
  const open = (newestAnnounced = (_: string) => 0) =>
    Incarnation.open({ cluster, nodes, random, log }, newestAnnounced);
  /** Makes the store an empty one that was created later. */
  const replace = () => {
    broker.buckets.delete(nodeBucket.name);
    broker.openBucket(nodeBucket.name);
  };
  return { broker, cluster, nodes, lines, open, replace };
}

describe('the incarnation of a store', () => {
  test('is made by the first requester and stays', async () => {
    const { open, nodes, lines } = await begin();
    const first = await open();
    assert.equal(await first.find(), 's1');
    await nodes.put('node-1', Buffer.from('{}'), 0);
    assert.equal(await (await open(() => 1)).find(), 's1');
    first.doubt({ lost: false });
    assert.equal(await first.find(), 's1');
    assert.deepEqual(lines, []);
  });

  test('is another one when the store was created again', async () => {
    const { open, replace, lines } = await begin();
    const running = await open();
    replace();
    assert.equal(await running.find(), 's1', 'nothing gave a reason to read the store');
    running.doubt({ lost: false });
    assert.equal(await running.find(), 's2');
    assert.equal(await (await open()).find(), 's2');
    replace();
    assert.equal(await (await open()).find(), 's3');
    assert.equal(lines.length, 2);
  });

  test('is another one when the store has fewer revisions than it gave, as after a backup was restored', async () => {
    const { broker, open, nodes } = await begin();
    const running = await open();
    for (let revision = 0; revision < 5; revision++)
      running.onRevision(await nodes.put('node-1', Buffer.from('{}'), revision));
    broker.openBucket(nodeBucket.name).revision = 4;
    running.doubt({ lost: false });
    assert.equal(await running.find(), 's2');
    running.doubt({ lost: false });
    assert.equal(await running.find(), 's2', 'the fewer revisions are known now');
  });

  test('is another one at a start when an event names a revision that the store never gave', async () => {
    const { open } = await begin();
    await open();
    assert.equal(await (await open(incarnation => (incarnation === 'other' ? 9 : 0))).find(), 's1');
    assert.equal(await (await open(incarnation => (incarnation === 's1' ? 9 : 0))).find(), 's2');
  });

  test('is another one when its key is gone or cannot be read', async () => {
    const { open, cluster, lines } = await begin();
    await open();
    await cluster.purge('store', (await cluster.get('store'))?.revision ?? 0, {});
    assert.equal(await (await open()).find(), 's2');
    for (const damage of ['', '[]', '{"incarnation":"A b","created":""}'])
      await cluster.put('store', Buffer.from(damage), (await cluster.get('store'))?.revision ?? 0);
    assert.equal(await (await open()).find(), 's3');
    assert.match(lines.at(-1)?.message ?? '', /cannot be read/);
  });

  test('is read once for all writers that wait, and again after a doubt meanwhile', async () => {
    const { broker, open, replace } = await begin();
    const running = await open();
    let reads = 0;
    broker.storeFault = operation => void (operation === 'state' && reads++);
    running.doubt({ lost: false });
    assert.deepEqual(await Promise.all([running.find(), running.find()]), ['s1', 's1']);
    assert.equal(reads, 1);
    running.doubt({ lost: true });
    const found = running.find();
    replace();
    running.doubt({ lost: false });
    assert.notEqual(await found, 's1');
    assert.equal(await found, await running.find());
  });

  test('stays when another requester writes while the state of the store is on its way', async () => {
    const { open, cluster, nodes, lines } = await begin();
    const running = await open();
    running.onRevision(await nodes.put('node-1', Buffer.from('{}'), 0));
    const { get } = cluster;
    cluster.get = async key => {
      running.onRevision(await nodes.put('node-2', Buffer.from('{}'), 0));
      return get(key);
    };
    running.doubt({ lost: false });
    assert.equal(await running.find(), 's1');
    assert.deepEqual(lines, []);
  });

  test('is not guessed while the store does not answer', async () => {
    const { broker, open } = await begin();
    const running = await open();
    running.doubt({ lost: true });
    for (const operation of ['state', 'get', 'put'] as const) {
      broker.failNext(operation, { fault: 'refused' });
      await assert.rejects(running.find(), { fault: 'refused' });
    }
    assert.equal(await running.find(), 's3', 'the second was made, but not stored');
  });
});

describe('an event', () => {
  /** Removes the records but not the events, as the loss of one file of the broker does. */
  const loseRecords = async (fixture: RequesterFixture) => {
    fixture.broker.stop();
    fixture.broker.buckets.delete(nodeBucket.name);
    fixture.broker.start();
    await fixture.clock.advance(1_000);
  };

  test('is announced also when its revision was given before in a store that was lost', async () => {
    const fixture = await RequesterFixture.started();
    for (const action of ['approve', 'reject'] as const) {
      await fixture.register('node-1');
      await fixture[action]('node-1');
      await loseRecords(fixture);
      // The node is not taken for a new one, until an operator accepts the loss.
      await fixture.delete('node-1');
    }
    await fixture.register('node-1');
    await fixture.approve('node-1');
    assert.deepEqual(fixture.announced(), [
      'node-1 registered',
      'node-1 approved',
      'node-1 deleted',
      'node-1 registered',
      'node-1 rejected',
      'node-1 deleted',
      'node-1 registered',
      'node-1 approved',
    ]);
    const ids = fixture.events().map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  test('is announced when another program published something else under its id before', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    const id = fixture.events().at(-1)?.id.replace(/\d+$/, '3') ?? '';
    const stream = await (await fixture.broker.connect().storage()).stream({
      name: 'NODE_EVENTS',
      subjects: ['node.events.>'],
      maxAgeMs: 0,
      maxBytes: -1,
    });
    await stream.publish('node.events.node-1.approved', JSON.stringify({ id }), id);
    await fixture.approve('node-1');
    const approved = fixture.events().filter(event => event.id === id);
    assert.deepEqual(
      approved.map(({ type }) => type),
      [undefined, 'org.muster.node.approved'],
    );
  });

  test('that was not announced before a crash has the same id afterwards, also when the incarnation changed', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    const [{ id: registered = '' } = {}] = fixture.events().filter(({ subject }) => subject === 'node-1');
    fixture.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
    await fixture.approve('node-1');
    await fixture.kill();
    fixture.broker.storeFault = undefined;
    fixture.broker.buckets.get(clusterBucket.name)?.entries.delete('store');
    await fixture.start();
    await fixture.clock.advance(1_000);
    await fixture.reject('node-1');
    const [, approved, rejected] = fixture.events().filter(({ subject }) => subject === 'node-1');
    assert.equal(approved?.id, registered.replace(/\d+$/, '3'));
    assert.notEqual(rejected?.id.split(':')[1], registered.split(':')[1]);
  });

  test('that was not announced before a crash is announced, although somebody published under its id meanwhile', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    const id = fixture.events().at(-1)?.id.replace(/\d+$/, '3') ?? '';
    fixture.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
    await fixture.approve('node-1', 'mine');
    await fixture.kill();
    const forged = { ...fixture.events().at(-1), id, data: { node: 'node-1', previous: {}, current: {} } };
    for (const kind of ['approved', 'rejected', 'other'])
      fixture.broker.inject(`node.events.node-1.${kind}`, JSON.stringify(forged));
    fixture.broker.storeFault = undefined;
    await fixture.start();
    await fixture.clock.advance(1_000);
    assert.equal(fixture.events().filter(({ data }) => data?.reason === 'mine').length, 1);
  });
});
