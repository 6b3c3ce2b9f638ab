// Two requesters act on the same keys, bans, join codes and deleted nodes at the same time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePublicKey } from '../../../agent/protocol/nkey.ts';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import { EnrolmentRecords } from '../../../agent/requester/enrolment/enrolment-records.ts';
import { KeyFollower } from '../../../agent/requester/enrolment/key-follower.ts';
import { Turns } from '../../../agent/requester/enrolment/turns.ts';
import type { StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { followSets } from '../follow-sets.ts';
import { counting, record } from '../samples.ts';

const [one = '', two = '', three = ''] = [1, 2, 3].map(byte => encodePublicKey(Buffer.alloc(32, byte)));

const wish = { lifetimeMs: 3_600_000, uses: 2, approve: false, labels: {}, network: undefined };

async function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const { log, lines } = recordLog();
  /** The records of the nodes, which both requesters see alike. */
  const nodes = new Map<string, StoredRecord>();
  const roll = { stored: (id: string) => nodes.get(id) ?? absent, list: () => [] };
  const open = async () => {
    const connection = broker.connect();
    const bucket = await (await connection.storage()).bucket(clusterBucket);
    const records = new EnrolmentRecords({ bucket, clock, log, events: { announce: () => undefined } });
    await followSets(broker, bucket, records.sets);
    const ended: string[] = [];
    const follower = new KeyFollower({
      connection,
      clock,
      random: counting(),
      log,
      signal: new AbortController().signal,
      pins: records.pins,
      deleted: records.deleted,
      expired: records.expired,
      live: { end: async key => void ended.push(key) },
      turns: new Turns(),
      onGaveWay: (code, pin) => records.joinCodes.onGaveWay(code, pin),
      onExchanged: async () => undefined,
    });
    await follower.start(roll, async () => undefined);
    return { ...records, follower, ended };
  };
  return { clock, broker, lines, nodes, first: await open(), second: await open() };
}

const absent: StoredRecord = { kind: 'absent', revision: 0 };
const pinOf = (key: string, code?: string) => ({
  key,
  ...(code === undefined ? {} : { code }),
  at: '2026-01-01T00:00:00Z',
});
const kindsOf = (results: PromiseSettledResult<unknown>[]) => results.map(({ status }) => status).toSorted();

test('of two newcomers with one id, only one gets it, and both requesters know which', async () => {
  const { clock, first, second } = await begin();
  const results = await Promise.allSettled([
    first.pins.add('node-1', pinOf(one)),
    second.pins.add('node-1', pinOf(two)),
  ]);
  assert.deepEqual(kindsOf(results), ['fulfilled', 'rejected']);
  await clock.settle();
  const winner = results[0]?.status === 'fulfilled' ? one : two;
  for (const { pins } of [first, second]) {
    assert.equal(pins.of('node-1')?.key, winner);
    assert.deepEqual(
      [one, two].filter(key => pins.nodeOf(key) === 'node-1'),
      [winner],
    );
  }
});

test('a pin that another requester has written since the decision is not overwritten', async () => {
  const { clock, first, second } = await begin();
  const added = second.pins.add('node-1', pinOf(two));
  await first.pins.add('node-1', pinOf(one)).catch(() => undefined);
  await added.catch(() => undefined);
  await clock.settle();
  await assert.rejects(second.pins.add('node-1', pinOf(three)), { code: 'conflict' });
  await clock.settle();
  assert.equal(first.pins.of('node-1')?.key, second.pins.of('node-1')?.key);
});

test('a deletion, a new key and a node that gave way are followed by both, without an error, and counted once', async () => {
  const { clock, lines, nodes, first, second } = await begin();
  const { code } = await first.joinCodes.create(wish, { actor: 'ada' });
  await first.pins.add('node-1', pinOf(one, code.id));
  await first.pins.add('node-2', pinOf(two, code.id));
  await clock.settle();
  const both = [first, second];

  const rekeyed = record('node-1', 'APPROVED');
  nodes.set('node-1', {
    kind: 'record',
    revision: 5,
    state: { ...rekeyed, Muster: { ...rekeyed.Muster, PublicKey: three } },
  });
  for (const { follower } of both) follower.onRecord('node-1');
  await clock.advance(1_000);
  for (const { pins } of both) {
    assert.deepEqual([pins.nodeOf(three), pins.nodeOf(one)], ['node-1', undefined]);
    assert.equal(pins.of('node-1')?.formerCode, code.id);
  }

  nodes.set('node-1', { kind: 'deleted', revision: 6, at: '2026-03-01T00:00:00Z', actor: 'ada', reason: '' });
  for (const { follower } of both) follower.onDeleted('node-1', rekeyed);
  nodes.set('node-2', { kind: 'absent', revision: 7, at: '2026-03-01T00:00:00Z' });
  for (const { follower } of both) follower.onRemoved('node-2');
  await clock.advance(1_000);
  for (const { pins, deleted, joinCodes, ended } of both) {
    assert.deepEqual([pins.size, deleted.of('node-1')?.key], [0, three]);
    assert.equal(joinCodes.list()[0]?.used, 2, 'one of a deleted node, and one of a node that gave way');
    assert.ok(ended.includes(three) || ended.includes(two));
  }
  assert.deepEqual(
    lines.filter(({ level }) => level === 'error'),
    [],
  );
});

test('a node that comes back at one requester keeps its pin while the other still follows its deletion', async () => {
  const { clock, broker, nodes, first, second } = await begin();
  await first.pins.add('node-1', pinOf(one));
  await clock.settle();
  nodes.set('node-1', { kind: 'deleted', revision: 6, at: '2026-03-01T00:00:00Z', actor: 'ada', reason: '' });
  // The second one has begun to remove the pin, and the store takes that only later.
  let isHeld = true;
  broker.storeFault = (operation, key) =>
    isHeld && operation === 'purge' && key === 'pin.node-1' ? { fault: 'timeout' } : undefined;
  second.follower.onDeleted('node-1', undefined);
  await clock.settle();
  isHeld = false;
  first.follower.onDeleted('node-1', undefined);
  await clock.settle();
  await first.pins.add('node-1', { key: one, at: '2026-03-02T00:00:00Z' });
  await clock.advance(30_000);
  for (const { pins } of [first, second]) assert.equal(pins.nodeOf(one), 'node-1');
});

test('a ban that two operators set at once stands, and one of them may lift it', async () => {
  const { clock, first, second } = await begin();
  const ban = (actor: string) => ({ id: 'node-1', actor, reason: '', at: '2026-01-01T00:00:00Z' });
  await Promise.all([first.bans.add(one, ban('ada')), second.bans.add(one, ban('bob'))]);
  await clock.settle();
  assert.deepEqual(first.bans.of(one), second.bans.of(one));
  await Promise.all([first.bans.remove(one, { actor: 'ada' }), second.bans.remove(one, { actor: 'bob' })]);
  await clock.settle();
  for (const { bans } of [first, second]) assert.equal(bans.of(one), undefined);
});

test('a code is revoked once, although a node gives way and two operators revoke it at the same time', async () => {
  const { clock, first, second } = await begin();
  const { code, token } = await first.joinCodes.create(wish, { actor: 'ada' });
  await clock.settle();
  const results = await Promise.allSettled([
    second.joinCodes.onGaveWay(code.id, pinOf(one)),
    first.joinCodes.onGaveWay(code.id, pinOf(one)),
    first.joinCodes.revoke(code.id, { actor: 'ada' }),
    second.joinCodes.revoke(code.id, { actor: 'bob' }),
  ]);
  const refused = results.flatMap(each => (each.status === 'rejected' ? [each.reason.message] : []));
  assert.deepEqual(refused, [`the join code ${code.id} is revoked already: it lets nobody in`]);
  await clock.settle();
  for (const { joinCodes } of [first, second]) {
    assert.equal(joinCodes.check(token, '').kind, 'revoked');
    assert.deepEqual(
      joinCodes.list().map(({ used, state }) => [used, state]),
      [[1, 'revoked']],
    );
  }
});

test('two requesters that follow one rename leave the key with the new id, and count its code once', async () => {
  const { clock, nodes, first, second } = await begin();
  await first.pins.add('old', pinOf(one, 'c'));
  await clock.settle();
  const state = record('new', 'APPROVED');
  const FormerIDs = [{ ID: 'old', At: '2026-02-01T00:00:00Z', Actor: 'ann', Reason: '' }];
  nodes.set('old', { kind: 'renamed', revision: 2, to: 'new', at: '2026-02-01T00:00:00Z' });
  nodes.set('new', {
    kind: 'record',
    revision: 3,
    state: { ...state, Muster: { PublicKey: one, FormerIDs } },
  });
  for (const { follower } of [first, second]) follower.onRemoved('old');
  await clock.advance(30_000);
  for (const { pins } of [first, second]) {
    assert.deepEqual([pins.of('new')?.key, pins.of('old'), pins.nodeOf(one)], [one, undefined, 'new']);
    assert.equal(pins.usesOf('c'), 1);
  }
});
