// What one requester writes counts at the other at once, and neither undoes what the other did.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as v from 'valibot';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import { RecordSet } from '../../../agent/requester/cluster/record-set.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { followSets } from '../follow-sets.ts';

interface Thing {
  n: number;
}

async function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const { log } = recordLog();
  /** Opens the records as one requester does, and notes what it is told of the others. */
  const open = async () => {
    const connection = broker.connect();
    const bucket = await (await connection.storage()).bucket(clusterBucket);
    const told: string[] = [];
    const mirrored = new Map<string, Thing>();
    const set = new RecordSet<Thing>({
      bucket,
      prefix: 'thing.',
      schema: v.object({ n: v.number() }),
      log,
      onOthersChange: (name, before, after) => told.push(`${name}: ${before?.n} → ${after?.n}`),
      mirror: {
        put: async (name, value) => void mirrored.set(name, value),
        remove: async name => void mirrored.delete(name),
      },
      mayVanish: name => name.startsWith('old'),
    });
    await followSets(broker, bucket, [set]);
    set.tellChanges();
    return { set, told, mirrored, bucket, connection };
  };
  return { clock, broker, one: await open(), two: await open(), open };
}

const contents = (set: RecordSet<Thing>) =>
  Object.fromEntries([...set.entries()].map(([name, { n }]) => [name, n]));

describe('a record', () => {
  test('that one requester writes or deletes counts at the other at once, in its ledger too', async () => {
    const { clock, one, two } = await begin();
    await one.set.set('a', { n: 1 });
    await clock.settle();
    assert.deepEqual(contents(two.set), { a: 1 });
    await two.set.set('a', { n: 2 });
    await one.set.set('b', { n: 3 });
    await clock.settle();
    for (const { set, mirrored } of [one, two]) {
      assert.deepEqual(contents(set), { a: 2, b: 3 });
      assert.deepEqual(Object.fromEntries(mirrored), { a: { n: 2 }, b: { n: 3 } });
    }
    await one.set.delete('a');
    await clock.settle();
    for (const { set, mirrored } of [one, two]) {
      assert.deepEqual(contents(set), { b: 3 });
      assert.deepEqual([...mirrored.keys()], ['b']);
    }
    // Its own change may come back before its answer.
    const others = two.told.filter(each => each !== 'a: 1 → 2');
    assert.deepEqual(others, ['a: undefined → 1', 'b: undefined → 3', 'a: 2 → undefined']);
    await two.set.set('a', { n: 4 });
    await clock.settle();
    assert.deepEqual(contents(one.set), { a: 4, b: 3 });
  });

  test('that was changed while the other had not heard of it is not undone, and the other has it then', async () => {
    const { broker, one, two, clock } = await begin();
    await one.set.set('a', { n: 1 });
    await one.set.set('b', { n: 1 });
    await one.set.set('c', { n: 1 });
    await clock.settle();
    await two.connection.close();
    const deaf = await (await broker.connect().storage()).bucket(clusterBucket);
    const late = new RecordSet<Thing>({
      bucket: deaf,
      prefix: 'thing.',
      schema: v.object({ n: v.number() }),
      log: recordLog().log,
    });
    const watch = await followSets(broker, deaf, [late]);
    watch.stop();
    await one.set.set('a', { n: 2 });
    await one.set.delete('b');
    await one.set.set('c', { n: 2 });
    await assert.rejects(late.set('a', { n: 9 }), { code: 'conflict' });
    await assert.rejects(late.set('b', { n: 9 }), { code: 'conflict' });
    await assert.rejects(late.delete('c'), { code: 'conflict' });
    await clock.settle();
    for (const set of [one.set, late]) assert.deepEqual(contents(set), { a: 2, c: 2 });
  });

  test('is changed by both at the same time without losing either change', async () => {
    const { one, two, clock } = await begin();
    await one.set.set('a', { n: 0 });
    await clock.settle();
    const add = (set: RecordSet<Thing>) => set.update('a', before => ({ n: (before?.n ?? 0) + 1 }));
    await Promise.all([one, two, one, two, two].map(({ set }) => add(set)));
    await clock.settle();
    assert.equal(one.set.get('a')?.n, 5);
    assert.deepEqual(contents(one.set), contents(two.set));
  });

  test('that is there is kept when the watch brings what it was before', async () => {
    const { one } = await begin();
    const entry = (revision: number, n: number, marker = false) => ({
      key: 'thing.a',
      value: Buffer.from(JSON.stringify({ n })),
      revision,
      marker,
      headers: {},
      created: new Date(0),
    });
    one.set.watched.onEntry(entry(10, 1));
    one.set.watched.onEntry(entry(12, 2));
    one.set.watched.onEntry(entry(11, 0, true));
    one.set.watched.onEntry(entry(10, 1));
    assert.deepEqual(contents(one.set), { a: 2 });
  });

  test('that was deleted does not come back when the watch brings its last write later', async () => {
    const { broker, clock, one } = await begin();
    await one.set.set('a', { n: 1 });
    const written = broker.openBucket(clusterBucket.name).entries.get('thing.a');
    await one.set.delete('a');
    assert.ok(written);
    one.set.watched.onEntry(written);
    assert.equal(one.set.get('a'), undefined);
    await clock.settle();
    assert.equal(one.set.get('a'), undefined);
  });
});

describe('a store', () => {
  test('that was lost leaves all records in memory, from where either requester writes them again', async () => {
    const { broker, clock, one, two } = await begin();
    for (const [name, n] of Object.entries({ a: 1, b: 2, c: 3 })) await one.set.set(name, { n });
    await clock.settle();
    one.told.length = two.told.length = 0;
    broker.wipe();
    broker.start();
    await clock.settle();
    assert.deepEqual(contents(two.set), { a: 1, b: 2, c: 3 });
    await Promise.all([one.set.restore(), two.set.restore()]);
    await clock.settle();
    assert.deepEqual([...broker.openBucket(clusterBucket.name).entries.keys()].sort(), [
      'thing.a',
      'thing.b',
      'thing.c',
    ]);
    for (const { set, told } of [one, two]) {
      assert.deepEqual(contents(set), { a: 1, b: 2, c: 3 });
      assert.deepEqual(told, []);
    }
    await two.set.set('a', { n: 9 });
    await clock.settle();
    assert.deepEqual(contents(one.set), { a: 9, b: 2, c: 3 });
  });

  test('that lost single records gets them again, unless a requester may have removed them for good', async () => {
    const {
      broker,
      clock,
      one: { set },
    } = await begin();
    for (const name of ['a', 'old-1', 'old-2']) await set.set(name, { n: 1 });
    const { entries } = broker.openBucket(clusterBucket.name);
    entries.delete('thing.a');
    entries.delete('thing.old-1');
    broker.stop();
    broker.start();
    await clock.settle();
    assert.deepEqual(contents(set), { a: 1, 'old-2': 1 });
    assert.deepEqual([...entries.keys()].sort(), ['recovery.done', 'thing.a', 'thing.old-2']);
  });
});
