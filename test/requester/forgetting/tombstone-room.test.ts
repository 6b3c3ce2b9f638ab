// The tombstones of nodes that are gone stay within bounds: those that went first lose what they said of the node, and nothing else.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Tombstone } from '../../../agent/protocol/tombstone.ts';
import { surplus, TombstoneRoom } from '../../../agent/requester/forgetting/tombstone-room.ts';
import { nodeBucket, readEntry } from '../../../agent/requester/roll/store.ts';
import { isForgotten, type StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { forgetNode, shortTombstone, tombstoneBytes } from '../../../agent/requester/roll/tombstones.ts';
import { BrokerError } from '../../../agent/transport/port.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { startNatsServer } from '../../support/nats-server.ts';
import { openConnection } from '../../support/open-connection.ts';
import { assertNoDoubles, RequesterFixture } from '../requester-fixture.ts';
import { announcedKinds, type OpenRoll, openRoll } from '../roll/roll-fixture.ts';
import { at, computeInfo, requesterNode } from '../samples.ts';

const ada = { reason: '', actor: 'ada', isExact: true };

const tombstone = (minute: number, labelBytes = 0): Tombstone => ({
  Membership: 'APPROVED',
  Labels: { rack: 'x'.repeat(labelBytes) },
  GoneAt: new Date(Date.parse(at) + minute * 60_000).toISOString(),
  Actor: 'ada',
  Reason: '',
});
const goneWith = (tombstone: Tombstone): StoredRecord => ({ kind: 'deleted', revision: 1, tombstone });

test('only the tombstones that are too many or too large in all are shortened, those that went first', () => {
  const some = fc.array(
    fc.record({ minute: fc.nat(20), size: fc.nat(400), isShort: fc.boolean(), isAbsent: fc.boolean() }),
    { maxLength: 30 },
  );
  const limits = fc.record({ number: fc.nat(20), bytes: fc.nat(6_000) });
  fc.assert(
    fc.property(some, limits, (each, limits) => {
      const entries = each.map(({ minute, size, isShort, isAbsent }, index): [string, StoredRecord] => {
        const whole = tombstone(minute, size);
        if (isAbsent) return [`node-${index}`, { kind: 'absent', revision: 0 }];
        return [`node-${index}`, goneWith(isShort ? shortTombstone(whole) : whole)];
      });
      const whole = new Map(
        entries.flatMap(([id, stored]) =>
          stored.kind === 'deleted' && stored.tombstone?.Membership ? [[id, stored.tombstone]] : [],
        ),
      );
      const isWithin = (ids: readonly string[]) => {
        const sizes = ids.map(id => tombstoneBytes(whole.get(id) as Tombstone));
        return ids.length <= limits.number && sizes.reduce((a, b) => a + b, 0) <= limits.bytes;
      };
      const due = surplus(entries, limits);
      const left = [...whole.keys()].filter(id => !due.includes(id));
      const last = due.at(-1);
      assert.ok(due.every(id => whole.has(id)));
      assert.ok(isWithin(left));
      if (last) assert.ok(!isWithin([...left, last]), 'one less would do');
      const timeOf = (id: string) => Date.parse(whole.get(id)?.GoneAt ?? '');
      for (const id of due) for (const other of left) assert.ok(timeOf(id) <= timeOf(other));
    }),
    { numRuns: 300 },
  );
});

describe('the requester that watches', () => {
  test('shortens some in each look, goes on after a failure of the store, and stops with the watch', async () => {
    const clock = new FakeClock();
    const { log, lines } = recordLog();
    const entries = new Map(Array.from({ length: 1_203 }, (_, i) => [`node-${i}`, goneWith(tombstone(i))]));
    let fails = true;
    const shortenTombstone = async (id: string) => {
      if (fails && id === 'node-100') throw new BrokerError('timeout', 'no answer');
      const { tombstone } = entries.get(id) as { tombstone: Tombstone };
      entries.set(id, goneWith(shortTombstone(tombstone)));
    };
    const roll = { records: { gone: () => entries.entries() }, shortenTombstone };
    const room = new TombstoneRoom({ clock, log, roll, limits: { number: 3, bytes: 1e6 } });
    const left = () => surplus(entries, { number: 0, bytes: 0 }).length;
    await clock.advance(60_000);
    assert.equal(left(), 1_203, 'it does not watch yet');
    const watch = room.begin();
    await clock.advance(10_000);
    assert.ok(left() > 1_090, 'nothing more is asked of a store that does not answer');
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['warn', 'info'],
    );
    fails = false;
    const before = left();
    await clock.advance(10_000);
    assert.equal(left(), before - 500);
    watch.stop();
    await clock.advance(60_000);
    assert.equal(left(), before - 500);
    room.begin();
    await clock.advance(60_000);
    assert.deepEqual(surplus(entries, { number: 0, bytes: 0 }), ['node-1200', 'node-1201', 'node-1202']);
  });

  test('looks once at a time also when it stopped and begins again during a look', async () => {
    const clock = new FakeClock();
    const entries = new Map([['node-1', goneWith(tombstone(1))]]);
    const answer = Promise.withResolvers<void>();
    let looks = 0;
    const records = {
      gone: () => {
        looks++;
        return entries.entries();
      },
    };
    const roll = { records, shortenTombstone: () => answer.promise };
    const room = new TombstoneRoom({ clock, log: recordLog().log, roll, limits: { number: 0, bytes: 0 } });
    const watch = room.begin();
    await clock.advance(10_000);
    watch.stop();
    room.begin();
    answer.resolve();
    await clock.settle();
    looks = 0;
    await clock.advance(30_000);
    assert.equal(looks, 3);
  });
});

describe('a node whose tombstone was shortened', () => {
  const room = { number: 2, bytes: 1e6 };

  /** A roll from which a node was forgotten, then four were deleted. Two of these are still known. */
  async function withGone(): Promise<RequesterFixture> {
    const fixture = await RequesterFixture.started({ requester: { tombstones: room } });
    for (const id of ['node-1', 'node-2', 'node-3', 'node-4', 'node-5']) {
      await fixture.register(id);
      await fixture.approve(id);
      await fixture.heartbeat(id);
    }
    await fixture.clock.advance(200_000);
    const { directory } = fixture.requester;
    await fixture.finish(directory.forget('node-1', { ...ada, silentForMs: 60_000 }));
    for (const id of ['node-2', 'node-3', 'node-4', 'node-5']) {
      await fixture.clock.advance(1_000);
      await fixture.delete(id, `no ${id}`);
    }
    await fixture.clock.advance(20_000);
    return fixture;
  }
  const goneOf = ({ requester }: RequesterFixture) =>
    requester.directory.goneNodes().map(({ NodeID }) => NodeID);
  const markerOf = (fixture: RequesterFixture, id: string) => {
    const stored = readEntry(fixture.broker.openBucket(nodeBucket.name).entries.get(id));
    return stored.kind === 'deleted' ? stored : assert.fail(stored.kind);
  };
  const undelete = (fixture: RequesterFixture, id: string) =>
    fixture.finish(fixture.requester.directory.undelete(id, ada));
  const codeOf = async (fixture: RequesterFixture, id: string) =>
    (
      await fixture.ask(id, 'UpdateResources/v1', {
        NodeID: id,
        AvailableCapacity: {},
        QueueUsedCapacity: {},
        ...fixture.senderOf(id),
      })
    ).value?.Muster?.Code;

  test('is refused or may come back as before, and nothing is told again', async () => {
    const fixture = await withGone();
    const check = async () => {
      assert.deepEqual(goneOf(fixture), ['node-5', 'node-4']);
      const { reason, actor, tombstone } = markerOf(fixture, 'node-2');
      assert.deepEqual([reason, actor], ['no node-2', 'ann']);
      assert.deepEqual(tombstone, {
        Shortened: true,
        GoneAt: tombstone?.GoneAt,
        Actor: 'ann',
        Reason: 'no node-2',
      });
      assert.deepEqual(
        [await codeOf(fixture, 'node-1'), await codeOf(fixture, 'node-2')],
        ['handshake_required', 'deleted'],
      );
      await assert.rejects(undelete(fixture, 'node-2'), ({ code, hint }) => {
        assert.equal(code, 'conflict');
        assert.match(hint, /only the last 10000 nodes/);
        return true;
      });
      assert.equal(fixture.announced().filter(line => line.endsWith('deleted')).length, 5);
      assertNoDoubles(fixture);
    };
    await check();
    await fixture.kill();
    await fixture.start();
    await fixture.clock.advance(60_000);
    await check();
    await undelete(fixture, 'node-4');
    assert.equal(fixture.requester.directory.get('node-4').Membership, 'APPROVED');
    for (const [id, isForgotten] of [
      ['node-1', true],
      ['node-2', undefined],
    ] as const) {
      await fixture.register(id);
      const { Membership, Muster } = fixture.requester.directory.get(id);
      assert.deepEqual([Membership, Muster.Former?.Forgotten], ['PENDING', isForgotten]);
    }
  });

  test('keeps the changes that the stream has not, and what a later version wrote', async () => {
    const fixture = await RequesterFixture.started({ requester: { tombstones: { ...room, number: 0 } } });
    await fixture.register('node-1');
    await fixture.clock.advance(5_000);
    fixture.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
    await fixture.delete('node-1', 'sold');
    await fixture.clock.advance(60_000);
    assert.equal(markerOf(fixture, 'node-1').tombstone?.Membership, 'PENDING', 'its event is not told yet');
    const { entries } = fixture.broker.openBucket(nodeBucket.name);
    const entry = entries.get('node-1') ?? assert.fail();
    const changes = JSON.parse(Buffer.from(entry.headers['Muster-Change'] ?? '', 'base64').toString());
    const later = { ...changes[0], Kind: 'frobnicated', Revision: 1, By: { name: 'ann' } };
    const text = Buffer.from(JSON.stringify([later, ...changes])).toString('base64');
    entries.set('node-1', { ...entry, headers: { ...entry.headers, 'Muster-Change': text } });
    const whole = changes.at(-1);
    fixture.broker.storeFault = undefined;
    await fixture.clock.advance(60_000);
    assert.equal(markerOf(fixture, 'node-1').tombstone?.Shortened, true);
    const { headers } = entries.get('node-1') ?? assert.fail();
    const kept = JSON.parse(Buffer.from(headers['Muster-Change'] ?? '', 'base64').toString());
    assert.deepEqual(kept[0], { ...later, Kept: true });
    assert.deepEqual(kept.at(-1), { ...whole, Revision: entry.revision });
    assert.deepEqual(fixture.announced(), ['node-1 registered', 'node-1 deleted']);
  });

  test('is known so to the requester that takes over, which goes on with the others', async () => {
    const fixture = await withGone();
    const other = fixture.newRequester(fixture.broker.connect(), { self: requesterNode('node-9') });
    await fixture.finish(other.start());
    await undelete(fixture, 'node-4');
    await fixture.delete('node-4', 'again');
    await fixture.kill();
    fixture.requester = other;
    await fixture.clock.advance(60_000);
    assert.equal(other.status().watcher, 'node-9');
    await fixture.delete('node-0', 'gone for good');
    await fixture.register('node-6');
    await fixture.delete('node-6', 'last');
    await fixture.clock.advance(20_000);
    assert.deepEqual(goneOf(fixture), ['node-6', 'node-4']);
    assert.equal(markerOf(fixture, 'node-5').tombstone?.Shortened, true);
    assertNoDoubles(fixture);
  });
});

test('a real store has the shortened marker in the place of the whole one, for every requester', async () => {
  const server = await startNatsServer();
  after(() => server.release());
  const clock = new FakeClock();
  const open = async () => {
    const connection = await openConnection(server.url);
    after(() => connection.close());
    const bucket = await (await connection.storage()).bucket(nodeBucket);
    return openRoll(new FakeBroker(clock), clock, { wrap: () => bucket });
  };
  const [one, other] = [await open(), await open()];
  await one.roll.register({ Info: computeInfo('node-1'), Muster: { Version: '0.1.0' } });
  await one.roll.decide(
    'node-1',
    { ...ada, reason: 'sold' },
    forgetNode(
      1,
      () => 2,
      () => false,
    ),
  );
  const whole = one.roll.records.stored('node-1');
  await one.roll.shortenTombstone('node-1');
  await one.roll.shortenTombstone('node-1');
  const short = one.roll.records.stored('node-1');
  assert.ok(whole.kind === 'deleted' && short.kind === 'deleted' && whole.tombstone);
  assert.deepEqual(short, {
    ...whole,
    revision: whole.revision + 1,
    tombstone: shortTombstone(whole.tombstone),
  });
  const seen = ({ roll }: OpenRoll) => roll.records.stored('node-1');
  await eventually('the other one has it', async () => seen(other).revision === short.revision);
  for (const each of [other, await open()]) assert.deepEqual(seen(each), short);
  assert.equal(isForgotten(seen(other)), true);
  assert.deepEqual(announcedKinds(other), ['node-1 registered', 'node-1 deleted']);
  for (const { roll } of [one, other]) roll.stop();
});
