// Tests which PENDING node gives way to a newcomer when the waiting list is full, and that nobody can lock the list.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { deleteNode } from '../../../agent/requester/roll/decisions.ts';
import { nodeBucket } from '../../../agent/requester/roll/store.ts';
import { WaitingList } from '../../../agent/requester/roll/waiting-list.ts';
import { computeInfo, record } from '../samples.ts';
import { announcedKinds, begin, openRoll, unknownCode } from './roll-fixture.ts';

describe('when the waiting list is full', () => {
  test('a thousand invented nodes do not keep an honest one out, and it stays', async () => {
    const { roll, waiting, register } = await begin({ maxPending: 1_000 });
    for (let i = 0; i < 1_000; i++) assert.equal((await register(`invented-${i}`)).code, 'registered');
    assert.equal((await register('honest')).code, 'registered');
    waiting.markHeard('honest');
    assert.equal(roll.records.get('invented-0'), undefined, 'the one that registered longest ago gave way');
    for (let i = 1_000; i < 1_900; i++) assert.equal((await register(`invented-${i}`)).code, 'registered');
    assert.equal(roll.records.get('honest')?.Membership, 'PENDING');
    assert.equal(roll.records.pending, 1_000);
  });

  test('nodes that were heard give way only when they are silent, the longest first', async () => {
    const { clock, roll, waiting, register } = await begin({ maxPending: 3 });
    for (const id of ['node-1', 'node-2', 'node-3']) {
      await register(id);
      waiting.markHeard(id);
      await clock.advance(1_000);
    }
    waiting.markHeard('node-1');
    assert.equal((await register('node-4')).code, 'full');
    await clock.advance(42_999);
    assert.equal((await register('node-4')).code, 'full');
    await clock.advance(1);
    assert.equal((await register('node-4')).code, 'registered');
    assert.equal(roll.records.get('node-2'), undefined);
    assert.equal((await register('node-5')).code, 'registered', 'node-4 was never heard');
    assert.deepEqual(
      [...roll.records.list()].map(({ Info }) => Info.NodeID),
      ['node-1', 'node-3', 'node-5'],
    );
  });

  test('nodes without a key, as many as they are and however alive, keep no node with a key out', async () => {
    const publicKeyOf = (id: string) => (id.startsWith('key') ? `N${id}` : undefined);
    const { clock, roll, waiting, register } = await begin({ maxPending: 3, publicKeyOf });
    for (const id of ['bac-1', 'bac-2', 'bac-3']) {
      await register(id);
      waiting.markHeard(id);
    }
    for (let i = 0; i < 1_000; i++) assert.equal((await register(`bac-more-${i}`)).code, 'full');
    for (const id of ['key-1', 'key-2', 'key-3']) assert.equal((await register(id)).code, 'registered');
    assert.deepEqual(
      [...roll.records.list()].map(({ Info }) => Info.NodeID),
      ['key-1', 'key-2', 'key-3'],
    );
    // Also when it is silent, a node with a key gives way to others with a key only.
    await clock.advance(100_000);
    assert.equal((await register('bac-1')).code, 'full');
    assert.equal((await register('key-4')).code, 'registered');
    assert.deepEqual(
      [...roll.records.list()].map(({ Info }) => Info.NodeID),
      ['key-2', 'key-3', 'key-4'],
    );
  });

  test('nodes without a key use up no approval of those with a key, and no turn to replace others', async () => {
    const publicKeyOf = (id: string) => (id.startsWith('key') ? `N${id}` : undefined);
    const unattended = await begin({ manualApproval: false, maxPending: 2, publicKeyOf });
    for (const id of ['bac-1', 'bac-2']) assert.equal((await unattended.register(id)).code, 'registered');
    assert.equal((await unattended.register('bac-3')).code, 'full');
    for (const id of ['key-1', 'key-2']) assert.equal((await unattended.register(id)).code, 'registered');
    assert.equal((await unattended.register('key-3')).code, 'full');
    const { register } = await begin({ maxPending: 1, publicKeyOf });
    let code = '';
    for (let i = 0; code !== 'full' && i < 1_000; i++) ({ code } = await register(`bac-${i}`));
    assert.equal(code, 'full', 'those without a key have replaced each other too often');
    assert.equal((await register('key-1')).code, 'registered');
  });

  test('what a sender without a key asked is not written when the node gets a key in between', async () => {
    const keys = new Map<string, string>();
    const { roll, register, broker } = await begin({ publicKeyOf: id => keys.get(id) });
    const { revision } = broker.openBucket(nodeBucket.name);
    const registering = register('node-1');
    keys.set('node-1', 'Nkey');
    assert.deepEqual((await registering).code, 'handshake_required');
    assert.equal(roll.records.get('node-1'), undefined);
    assert.equal(broker.openBucket(nodeBucket.name).revision, revision);
  });

  test('the node that gave way is not deleted: it registers again by itself, and its event says why', async () => {
    const { broker, clock, roll, open, register } = await begin({ maxPending: 1 });
    await register('node-1');
    await register('node-2');
    assert.deepEqual(announcedKinds(open), ['node-1 registered', 'node-1 expired', 'node-2 registered']);
    const { change } = open.announced[1] ?? assert.fail();
    assert.deepEqual(change, {
      Store: change.Store,
      Kind: 'expired',
      Revision: 2,
      At: '2026-01-01T00:00:00.000Z',
      Previous: 'PENDING',
      Current: '',
      Reason: 'gave way to newer registrations (requester.maxPending)',
      Actor: 'node-0',
    });
    assert.equal(unknownCode(roll, 'node-1'), 'handshake_required');
    assert.throws(() => roll.records.resolve('node-1'), { code: 'not_found' });
    const again = await openRoll(broker, clock, { maxPending: 2 });
    assert.equal(unknownCode(again.roll, 'node-1'), 'handshake_required', 'a restart makes no difference');
    assert.deepEqual(
      again.loaded.filter(({ id }) => id === 'node-1').map(({ changes }) => changes.map(({ Kind }) => Kind)),
      [['expired']],
    );
    const outcome = await again.roll.register({ Info: computeInfo('node-1') });
    assert.equal(outcome.code, 'registered');
  });

  test('a node that is approved, or heard, while it should give way stays', async () => {
    for (const what of ['approved', 'heard'] as const) {
      const { roll, waiting, register, approve } = await begin({ maxPending: 1 });
      await register('node-1');
      const [, outcome] = await Promise.all([
        what === 'approved' ? approve('node-1') : null,
        register('node-2'),
        what === 'heard' ? waiting.markHeard('node-1') : null,
      ]);
      assert.ok(roll.records.get('node-1'));
      assert.equal(outcome.code, what === 'approved' ? 'registered' : 'full');
    }
  });

  test('nobody gives way while more nodes wait than a lowered limit allows', async () => {
    const { broker, clock, register } = await begin({ maxPending: 3 });
    for (const id of ['node-1', 'node-2', 'node-3']) await register(id);
    for (const maxPending of [0, 2]) {
      const { roll, waiting } = await openRoll(broker, clock, { maxPending });
      for (const { Info } of roll.records.list()) waiting.add(Info.NodeID, false);
      assert.equal((await roll.register({ Info: computeInfo('node-4') })).code, 'full');
      assert.equal(roll.records.pending, 3);
    }
  });

  test('many that register at the same time replace as many, and never more than maxPending wait', async () => {
    const { roll, register } = await begin({ maxPending: 10 });
    for (let i = 0; i < 10; i++) await register(`old-${i}`);
    const outcomes = await Promise.all(Array.from({ length: 30 }, (_, i) => register(`new-${i}`)));
    assert.equal(outcomes.filter(({ code }) => code === 'registered').length, 10);
    assert.equal(roll.records.pending, 10);
    assert.equal([...roll.records.list()].filter(({ Info }) => Info.NodeID.startsWith('new-')).length, 10);
  });

  test('a store that fails costs no node its place', async () => {
    const { broker, roll, register } = await begin({ maxPending: 2 });
    await register('node-1');
    await register('node-2');
    broker.failNext('purge', { fault: 'refused' });
    await assert.rejects(register('node-3'), { fault: 'refused' });
    assert.equal(roll.records.pending, 2);
    assert.equal((await register('node-3')).code, 'registered');
    assert.equal((await register('node-4')).code, 'registered');
    assert.equal(roll.records.pending, 2);
  });

  test('a hundred nodes or a full list may give way at once, and then a hundred in a second', async () => {
    const { broker, clock, register } = await begin({ maxPending: 10 });
    const replaced = async () => {
      let count = 0;
      for (let i = 0; i < 200; i++) if ((await register(`${clock.monotonic()}-${i}`)).accepted) count++;
      return count;
    };
    assert.equal(await replaced(), 110, 'ten found room, and a hundred replaced one');
    broker.storeFault = () => assert.fail('the store was asked');
    assert.equal((await register('one-more')).code, 'full');
    broker.storeFault = undefined;
    await clock.advance(50);
    assert.equal(await replaced(), 5);
  });
});

describe('the marker of a node that gave way', () => {
  const markers = ({ broker }: Awaited<ReturnType<typeof begin>>) =>
    [...broker.openBucket(nodeBucket.name).entries.values()].filter(({ marker }) => marker).length;

  test('is removed after a minute, but not before its event is acknowledged, nor one of a deleted node', async () => {
    const all = await begin({ maxPending: 1 });
    const { clock, open, roll, register } = all;
    for (const id of ['node-1', 'node-2', 'node-3']) await register(id);
    const { change } = open.announced[1] ?? assert.fail();
    open.unacknowledged.set('node-1', [change]);
    assert.equal(markers(all), 2);
    await clock.advance(59_000);
    assert.equal(markers(all), 2);
    await clock.advance(10_000);
    assert.equal(markers(all), 1);
    assert.equal(roll.records.stored('node-2').revision, 0);
    open.unacknowledged.clear();
    await clock.advance(70_000);
    assert.equal(markers(all), 0);
    assert.equal(clock.pending, 0);
    await roll.decide('node-3', { reason: '', actor: 'ann' }, deleteNode);
    await clock.advance(600_000);
    assert.equal(markers(all), 1);
  });

  test('that was there at the start is removed too, and a newer record under its id stays', async () => {
    const { broker, clock, roll, register } = await begin({ maxPending: 1 });
    await register('node-1');
    await register('node-2');
    await register('node-3');
    roll.stop();
    const again = await openRoll(broker, clock, { maxPending: 3 });
    await again.roll.register({ Info: computeInfo('node-1') });
    await clock.advance(120_000);
    const { entries } = broker.openBucket(nodeBucket.name);
    assert.deepEqual([...entries.keys()].sort(), ['node-1', 'node-3']);
    assert.equal(again.roll.records.get('node-1')?.Membership, 'PENDING');
    assert.equal((await again.roll.register({ Info: computeInfo('node-2') })).code, 'registered');
  });

  test('is removed later when the store fails', async () => {
    const all = await begin({ maxPending: 1 });
    await all.register('node-1');
    await all.register('node-2');
    for (let i = 0; i < 3; i++) all.broker.failNext('remove', { fault: 'refused' });
    await all.clock.advance(60_000);
    assert.equal(markers(all), 1);
    await all.clock.advance(30_000);
    assert.equal(markers(all), 0);
  });
});

describe('without manual approval', () => {
  test('maxPending nodes are approved at once, and as many more in an hour', async () => {
    const { clock, roll, register } = await begin({ manualApproval: false, maxPending: 60 });
    let number = 0;
    const approved = async () => {
      let count = 0;
      for (let i = 0; i < 100; i++) if ((await register(`node-${number++}`)).accepted) count++;
      return count;
    };
    assert.equal(await approved(), 60);
    const refused = await register('one-more');
    assert.deepEqual([refused.accepted, refused.code], [false, 'full']);
    assert.match(refused.reason, /requester\.maxPending.*try again later/);
    await clock.advance(60_000);
    assert.equal(await approved(), 1);
    await clock.advance(3_600_000);
    assert.equal(await approved(), 60);
    assert.equal((await register('node-0')).code, 'reconnected', 'a node on the roll is never refused');
    assert.equal(roll.records.size, 121);
  });

  test('nobody is approved when maxPending is 0', async () => {
    const { register } = await begin({ manualApproval: false, maxPending: 0 });
    assert.equal((await register('node-1')).code, 'full');
    assert.equal((await register('node-1')).code, 'full');
  });

  test('a registration that is not stored takes no place', async () => {
    const { broker, register } = await begin({ manualApproval: false, maxPending: 1 });
    for (let i = 0; i < 3; i++) {
      broker.failNext('put', { fault: 'refused' });
      await assert.rejects(register('node-1'), { fault: 'refused' });
    }
    assert.equal((await register('node-1')).code, 'registered');
    assert.equal((await register('node-2')).code, 'full');
  });
});

test('the order of the waiting list is that of a sorted list, for any sequence of events', () => {
  const ids = ['a', 'b', 'c', 'key-1', 'key-2', 'key-3'];
  const hasKey = (id: string) => id.startsWith('key');
  const happening = fc.oneof(
    fc.record({
      kind: fc.constantFrom('register', 'hear', 'remove', 'approve'),
      id: fc.constantFrom(...ids),
    }),
    fc.record({ ms: fc.nat(60) }),
    fc.record({ take: fc.constantFrom('remove', 'put back'), toKey: fc.boolean() }),
  );
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 100, size: 'max' }), happenings => {
      let now = 0;
      let order = 0;
      const list = new WaitingList({ listeningMs: () => now, silentAfterMs: 50, hasKey });
      const nodes = new Map<string, { heardAt: number | undefined; order: number }>();
      const gone = (ofKey: boolean) => {
        const sorted = [...nodes]
          .filter(([id]) => hasKey(id) === ofKey)
          .sort(([, a], [, b]) => (a.heardAt ?? -1) - (b.heardAt ?? -1) || a.order - b.order);
        const [id, first] = sorted[0] ?? [];
        const isGone = first && (first.heardAt === undefined || now - first.heardAt >= 50);
        return { first: id, gone: isGone ? id : undefined };
      };
      const next = (toKey: boolean) =>
        gone(false).gone ?? (toKey ? (gone(false).first ?? gone(true).gone) : undefined);
      for (const each of happenings) {
        if ('take' in each) {
          const expected = next(each.toKey);
          const id = list.take(each.toKey);
          assert.equal(id, expected);
          const node = nodes.get(id ?? '');
          if (id === undefined || !node) continue;
          if (each.take === 'put back') {
            assert.ok(list.isTaken(id));
            list.putBack(id);
            node.order = ++order;
          }
          // Those that were heard are put back only after a failure; this model leaves them out.
          if (each.take === 'remove' || node.heardAt !== undefined) {
            list.onRemoved(id);
            nodes.delete(id);
          }
        } else if ('ms' in each) now += each.ms;
        else if (each.kind === 'register') {
          const known = nodes.has(each.id);
          const before = known
            ? record(each.id, 'PENDING', { Muster: { RegisteredAt: 'earlier' } })
            : undefined;
          list.onRecord(each.id, record(each.id, 'PENDING', { Muster: { RegisteredAt: 'now' } }), before);
          nodes.set(each.id, { heardAt: known ? now : undefined, order: ++order });
        } else if (each.kind === 'hear') {
          list.markHeard(each.id);
          if (nodes.has(each.id)) nodes.set(each.id, { heardAt: now, order: ++order });
        } else {
          if (each.kind === 'approve') list.onRecord(each.id, record(each.id, 'APPROVED'), undefined);
          else list.onRemoved(each.id);
          nodes.delete(each.id);
        }
      }
    }),
  );
});
