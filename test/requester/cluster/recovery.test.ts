// What a lost store contained is written again by the requester that watches, and by no other.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as v from 'valibot';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import { RecordSet } from '../../../agent/requester/cluster/record-set.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { followSets, recoveryOf } from '../follow-sets.ts';

async function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const open = async (isHeld: boolean) => {
    const connection = broker.connect();
    const bucket = await (await connection.storage()).bucket(clusterBucket);
    const told: string[] = [];
    const set = new RecordSet<{ n: number }>({
      bucket,
      prefix: 'thing.',
      schema: v.object({ n: v.number() }),
      log: recordLog().log,
      onOthersChange: (name, _, after) => told.push(`${name} ${after?.n}`),
    });
    const lease = { isHeld };
    const confirmed: number[] = [];
    const recovery = recoveryOf(bucket, lease, revision => confirmed.push(revision));
    await followSets(broker, bucket, [set], recovery);
    set.tellChanges();
    const restore = () => set.restore();
    return { connection, set, told, lease, recovery, confirmed, onLost: () => recovery.begin(restore) };
  };
  const watcher = await open(true);
  const standby = await open(false);
  for (const name of ['a', 'b', 'c']) await watcher.set.set(name, { n: 1 });
  await clock.settle();
  const stored = () =>
    [...(broker.buckets.get(clusterBucket.name)?.entries.values() ?? [])]
      .filter(({ key, marker }) => key.startsWith('thing.') && !marker)
      .map(({ key }) => key)
      .sort();
  return { clock, broker, watcher, standby, stored };
}

const names = (set: { entries(): Iterable<[string, unknown]> }) =>
  [...set.entries()].map(([name]) => name).sort();

describe('a store that was lost as a whole', () => {
  test('gets nothing back that was deleted while another requester was cut off', async () => {
    for (const firstToNotice of ['watcher', 'standby'] as const) {
      const { clock, broker, watcher, standby, stored } = await begin();
      standby.connection.drop();
      await watcher.set.delete('a');
      broker.wipe();
      broker.start();
      await clock.settle();
      const both = { watcher, standby };
      both[firstToNotice].onLost();
      await clock.settle();
      both[firstToNotice === 'watcher' ? 'standby' : 'watcher'].onLost();
      await clock.settle();
      assert.deepEqual(stored(), ['thing.b', 'thing.c']);
      for (const { set } of [watcher, standby]) assert.deepEqual(names(set), ['b', 'c']);
      assert.equal(standby.told.at(-1), 'a undefined', 'who depends on it is told that it is gone');
    }
  });

  test('is written again by a requester that takes over, when the one that watched is gone', async () => {
    const { clock, broker, watcher, standby, stored } = await begin();
    watcher.lease.isHeld = false;
    await watcher.connection.close();
    broker.wipe();
    broker.start();
    await clock.settle();
    standby.onLost();
    await clock.settle();
    assert.deepEqual([stored(), names(standby.set)], [[], ['a', 'b', 'c']]);
    standby.lease.isHeld = true;
    standby.recovery.takeOver();
    await clock.settle();
    assert.deepEqual(stored(), ['thing.a', 'thing.b', 'thing.c']);
  });
});

test('records that a store lost without a marker are written again by the watcher alone', async () => {
  const { clock, broker, watcher, standby, stored } = await begin();
  standby.connection.drop();
  await watcher.set.delete('a');
  const { entries } = broker.buckets.get(clusterBucket.name) ?? { entries: new Map() };
  for (const key of ['thing.a', 'thing.b']) entries.delete(key);
  standby.connection.regain();
  await clock.settle();
  assert.deepEqual(
    [stored(), names(standby.set)],
    [['thing.c'], ['a', 'b', 'c']],
    'it waits for the watcher',
  );
  watcher.connection.drop();
  watcher.connection.regain();
  await clock.settle();
  assert.deepEqual(stored(), ['thing.b', 'thing.c']);
  for (const { set } of [watcher, standby]) assert.deepEqual(names(set), ['b', 'c']);
});

test('what an operator confirms at one requester is heard by the others', async () => {
  const { clock, broker, watcher, standby } = await begin();
  const { revision } = broker.openBucket(clusterBucket.name);
  await watcher.recovery.confirm({ actor: 'ann' });
  await clock.settle();
  assert.deepEqual(standby.confirmed, [revision + 1]);
});
