// The pins follow the records: deletions, other keys, and what a crash left behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePublicKey } from '../../../agent/protocol/nkey.ts';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import { deletedNodes, expiredNodes } from '../../../agent/requester/enrolment/former-nodes.ts';
import { KeyFollower } from '../../../agent/requester/enrolment/key-follower.ts';
import { Pins } from '../../../agent/requester/enrolment/pins.ts';
import { Turns } from '../../../agent/requester/enrolment/turns.ts';
import { absentRecord, type StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { followSets } from '../follow-sets.ts';
import { counting, record } from '../samples.ts';

const keys = [1, 2, 3].map(byte => encodePublicKey(Buffer.alloc(32, byte)));
const [one = '', two = '', three = ''] = keys;

/** Opens the follower on a store that stays the same over restarts. */
async function open(broker: FakeBroker, clock: FakeClock, records: Map<string, StoredRecord>) {
  const connection = broker.connect();
  const bucket = await (await connection.storage()).bucket(clusterBucket);
  const pins = new Pins(bucket, silentLog);
  const deleted = deletedNodes({
    bucket,
    log: silentLog,
    max: 2,
    onChange: (...codes) => pins.countUses(...codes),
  });
  const expired = expiredNodes(bucket, silentLog, 2);
  await followSets(broker, bucket, [...pins.sets, deleted.set, expired.set]);
  const ended: string[] = [];
  const follower = new KeyFollower({
    connection,
    clock,
    random: counting(),
    log: silentLog,
    signal: new AbortController().signal,
    pins,
    deleted,
    expired,
    live: { end: async key => void ended.push(key) },
    turns: new Turns(),
    onGaveWay: async (code, { key }) => void ended.push(`counted ${code} of ${key}`),
    onExchanged: async (id, key) => void ended.push(`called ${id} ${key}`),
  });
  const list = () => [...records.values()].flatMap(each => (each.kind === 'record' ? each.state : []));
  const roll = { stored: (id: string) => records.get(id) ?? absentRecord, list };
  /** What the store has by now, and memory has not heard of yet. */
  const unheard = new Map<string, StoredRecord>();
  const refresh = async (id: string) => {
    const newer = unheard.get(id);
    if (newer) records.set(id, newer);
  };
  return { pins, deleted, expired, follower, ended, roll, refresh, unheard };
}

const withKey = (id: string, PublicKey: string): StoredRecord => {
  const state = record(id, 'APPROVED');
  return { kind: 'record', revision: 1, state: { ...state, Muster: { ...state.Muster, PublicKey } } };
};
const pinOf = (key: string, at = '2026-01-01T00:00:00Z') => ({ key, code: 'c', at });

test('a deleted node is remembered before its pin is removed, and its connection is ended', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const records = new Map([['node-1', withKey('node-1', one)]]);
  const { pins, deleted, follower, ended, roll, refresh } = await open(broker, clock, records);
  await pins.add('node-1', pinOf(one));
  await follower.start(roll, refresh);
  assert.equal(follower.untilFollowed('node-1'), undefined);
  records.set('node-1', {
    kind: 'deleted',
    revision: 2,
    actor: 'ann',
    reason: 'sold',
    at: '2026-02-01T00:00:00Z',
  });
  follower.onDeleted('node-1', record('node-1', 'APPROVED'));
  await follower.untilFollowed('node-1');
  assert.equal(pins.of('node-1'), undefined);
  assert.equal(pins.nodeOf(one), undefined);
  const { key, code, membership, actor, reason } = deleted.of('node-1') ?? {};
  assert.deepEqual([key, code, membership, actor, reason], [one, 'c', 'APPROVED', 'ann', 'sold']);
  assert.deepEqual(ended, [one]);
  assert.equal(pins.usesOf('c'), 1, 'the use of the code stays counted');
});

test('a change of a store that fails is made as soon as the store answers, and the event waits for it', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const records = new Map([['node-1', withKey('node-1', one)]]);
  const { pins, follower, ended, roll, refresh } = await open(broker, clock, records);
  await pins.add('node-1', pinOf(one));
  await follower.start(roll, refresh);
  broker.failNext('put', { fault: 'timeout' });
  records.set('node-1', withKey('node-1', two));
  follower.onRecord('node-1');
  let isDone = false;
  void follower.untilFollowed('node-1')?.then(() => {
    isDone = true;
  });
  await clock.settle();
  assert.deepEqual([isDone, ended], [false, []]);
  await clock.advance(30_000);
  assert.equal(isDone, true);
  assert.equal(pins.of('node-1')?.key, two);
  assert.deepEqual([pins.nodeOf(one), pins.nodeOf(two)], [undefined, 'node-1']);
  assert.deepEqual(ended, [one, `called node-1 ${two}`]);
});

test('a start heals what a crash left between the record and the pin', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const before = await open(broker, clock, new Map());
  await before.pins.add('deleted', pinOf(one));
  await before.pins.add('rekeyed', pinOf(two));
  const missing = encodePublicKey(Buffer.alloc(32, 4));
  const records = new Map<string, StoredRecord>([
    ['deleted', { kind: 'deleted', revision: 2, at: '2026-02-01T00:00:00Z' }],
    ['rekeyed', withKey('rekeyed', three)],
    ['missing', withKey('missing', missing)],
    ['broken', withKey('broken', 'no key')],
    // Two records cannot have one key: the first one that has it keeps it.
    ['thief', withKey('thief', three)],
  ]);
  const { pins, deleted, follower, roll, refresh } = await open(broker, clock, records);
  await follower.start(roll, refresh);
  assert.equal(pins.of('deleted'), undefined);
  assert.equal(deleted.of('deleted')?.key, one);
  assert.equal(pins.of('rekeyed')?.key, three);
  assert.equal(pins.of('missing')?.key, missing);
  assert.deepEqual([pins.of('broken'), pins.of('thief')], [undefined, undefined]);
});

test('a node that came back after its deletion keeps its pin, although it has no record yet', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const records = new Map<string, StoredRecord>([
    ['node-1', { kind: 'deleted', revision: 2, at: '2026-02-01T00:00:00Z' }],
  ]);
  const { pins, follower, roll, refresh } = await open(broker, clock, records);
  await pins.add('node-1', pinOf(one, '2026-02-01T00:00:01Z'));
  await follower.start(roll, refresh);
  assert.equal(pins.of('node-1')?.key, one);
});

test('a node that gave way loses its pin, the use of its code stays counted, and a newcomer keeps its own', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const records = new Map([['node-1', withKey('node-1', one)]]);
  const { pins, deleted, expired, follower, ended, roll, refresh } = await open(broker, clock, records);
  await pins.add('node-1', pinOf(one));
  await pins.add('newcomer', pinOf(two));
  await follower.start(roll, refresh);
  assert.deepEqual(ended, []);
  records.set('node-1', { kind: 'absent', revision: 2, at: '2026-02-01T00:00:00Z' });
  broker.failNext('purge', { fault: 'timeout' });
  follower.onRemoved('node-1');
  follower.onRemoved('newcomer');
  await clock.advance(30_000);
  assert.equal(follower.untilFollowed('node-1'), undefined);
  assert.deepEqual(
    [pins.of('node-1'), pins.nodeOf(one), deleted.of('node-1')],
    [undefined, undefined, undefined],
  );
  // Each attempt counts it, and the record of the code knows that it is the same pin.
  assert.deepEqual(ended, [`counted c of ${one}`, `counted c of ${one}`, one]);
  assert.equal(pins.of('newcomer')?.key, two);
  assert.equal(expired.of('node-1')?.key, one, 'its key is remembered, so that it comes back without a code');
  for (const id of ['a', 'b']) await expired.add(id, { key: two, at: `2999-01-01T00:00:00Z` });
  assert.deepEqual(
    [...expired.set.entries()].map(([id]) => id),
    ['a', 'b'],
    'the oldest one is forgotten',
  );

  // It came back with another code before the marker was removed.
  await pins.add('node-1', pinOf(one, '2026-02-01T00:00:01Z'));
  const again = await open(broker, clock, records);
  await again.follower.start(again.roll, again.refresh);
  assert.equal(again.pins.of('node-1')?.key, one);
});

test('a start removes the pin of a node that gave way, whose removal a crash prevented', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  await (await open(broker, clock, new Map())).pins.add('node-1', pinOf(one));
  const records = new Map<string, StoredRecord>([
    ['node-1', { kind: 'absent', revision: 2, at: '2026-02-01T00:00:00Z' }],
  ]);
  const { pins, follower, roll, refresh } = await open(broker, clock, records);
  await follower.start(roll, refresh);
  assert.equal(pins.of('node-1'), undefined);
});

test('of deleted nodes only the latest are remembered', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const { deleted } = await open(broker, clock, new Map());
  for (const [index, key] of keys.entries())
    await deleted.add(`node-${index}`, { key, actor: 'ann', at: `2026-01-0${3 - index}T00:00:00Z` });
  assert.deepEqual(
    [deleted.of('node-0')?.key, deleted.of('node-1')?.key, deleted.of('node-2')],
    [one, two, undefined],
  );
  const again = await open(broker, clock, new Map());
  assert.equal(again.deleted.set.size, 2);
});

test('the key of a node that another requester has deleted since is not pinned again', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const records = new Map([['node-1', withKey('node-1', one)]]);
  const { pins, follower, roll, refresh, unheard } = await open(broker, clock, records);
  await pins.add('node-1', pinOf(one));
  await follower.start(roll, refresh);
  // The other one has removed the record and the pin. Here a change before that arrives only now.
  await pins.remove('node-1');
  unheard.set('node-1', { kind: 'deleted', revision: 7, at: '2026-02-01T00:00:00Z' });
  follower.onRecord('node-1');
  await follower.untilFollowed('node-1');
  assert.equal(pins.of('node-1'), undefined);
});

const renamedTo = (to: string): StoredRecord => ({
  kind: 'renamed',
  revision: 2,
  to,
  at: '2026-02-01T00:00:00Z',
});
const withFormerId = (id: string, PublicKey: string, ID: string): StoredRecord => {
  const state = record(id, 'APPROVED');
  const FormerIDs = [{ ID, At: '2026-02-01T00:00:00Z', Actor: 'ann', Reason: '' }];
  return { kind: 'record', revision: 3, state: { ...state, Muster: { PublicKey, FormerIDs } } };
};

test('the pin of a renamed node goes with it, whatever write a crash prevents', async () => {
  for (let crash = 0; crash <= 3; crash++) {
    const clock = new FakeClock();
    const broker = new FakeBroker(clock);
    const records = new Map([['old', withKey('old', one)]]);
    const { pins, follower, ended, roll, refresh } = await open(broker, clock, records);
    await pins.add('old', { ...pinOf(one), replaced: [{ key: three, at: '2025-12-01T00:00:00Z' }] });
    await follower.start(roll, refresh);
    records.set('old', renamedTo('new'));
    records.set('new', withFormerId('new', one, 'old'));
    let writes = 0;
    broker.storeFault = operation =>
      (operation === 'put' || operation === 'purge') && writes++ >= crash ? { fault: 'timeout' } : undefined;
    follower.onRemoved('old');
    await clock.settle();
    broker.storeFault = undefined;
    const again = await open(broker, clock, records);
    await again.follower.start(again.roll, again.refresh);
    const after = again.pins.of('new');
    assert.deepEqual([after?.key, after?.replaced?.map(({ key }) => key)], [one, [three]], `crash ${crash}`);
    assert.deepEqual([again.pins.of('old'), again.pins.nodeOf(one)], [undefined, 'new']);
    assert.equal(again.pins.usesOf('c'), 1, 'the use of the code counts once');
    if (crash === 3) assert.deepEqual(ended, [one, `called new ${one}`]);
  }
});

test('the pin of a node that was renamed twice, and deleted since, follows it to its end', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const records = new Map<string, StoredRecord>();
  const before = await open(broker, clock, records);
  await before.pins.add('old', pinOf(one));
  records.set('old', renamedTo('mid'));
  records.set('mid', renamedTo('new'));
  records.set('new', { kind: 'deleted', revision: 9, actor: 'ann', at: '2026-03-01T00:00:00Z' });
  const { pins, deleted, follower, roll, refresh } = await open(broker, clock, records);
  await follower.start(roll, refresh);
  for (const id of ['mid', 'new']) await follower.untilFollowed(id);
  assert.deepEqual([...pins.ids()], []);
  assert.equal(deleted.of('new')?.key, one);
  assert.equal(deleted.of('old'), undefined);
});

test('a newcomer under the former id of a node keeps its own key', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const records = new Map([
    ['old', renamedTo('new')],
    ['new', withFormerId('new', one, 'old')],
  ]);
  const { pins, follower, roll, refresh } = await open(broker, clock, records);
  await pins.add('new', pinOf(one));
  await pins.add('old', pinOf(two, '2026-02-01T00:00:01Z'));
  await follower.start(roll, refresh);
  assert.deepEqual([pins.of('old')?.key, pins.of('new')?.key], [two, one]);
});
