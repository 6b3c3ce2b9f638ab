// What moves to another number of servers, and when a stream has all that a copy of it has. These are pure functions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isWhole } from '../../../agent/requester/backup/whole-stream.ts';
import { type MoveFact, readFact, removedBy } from '../../../agent/requester/move/move-facts.ts';
import { describeMoves, movesTo, refuseMove } from '../../../agent/requester/move/move-plan.ts';
import type { StreamCounts } from '../../../agent/transport/port.ts';

const counts = (replicas: number, messages = 5): StreamCounts => ({
  messages,
  firstSequence: 1,
  lastSequence: messages,
  lastAt: undefined,
  replicas,
  created: '',
  isShut: false,
});

test('the streams that are elsewhere move, that of the freeze as the last one', () => {
  const found = [
    { name: 'KV_muster_v1', counts: counts(1) },
    { name: 'KV_node_v1', counts: counts(3) },
    { name: 'NODE_EVENTS', counts: counts(1, 7) },
  ];
  const moves = movesTo(3, found);
  assert.deepEqual(
    moves.map(({ name }) => name),
    ['NODE_EVENTS', 'KV_muster_v1'],
  );
  assert.equal(
    describeMoves(moves),
    'NODE_EVENTS: 7 messages, from one server to 3 servers\nmuster_v1: 5 messages, from one server to 3 servers\n',
  );
  assert.deepEqual(movesTo(1, found).length, 1);
  // Somebody else has raised it in place, so it is made anew where it is.
  const raised = movesTo(3, [{ name: 'KV_node_v1', counts: counts(3), madeOn: 1 }]);
  assert.match(describeMoves(raised), /^node_v1: 5 messages, made anew on 3 servers, because/);
  assert.deepEqual(movesTo(3, [{ name: 'KV_node_v1', counts: counts(3), madeOn: 3 }]), []);
  assert.deepEqual(movesTo(1, [{ name: 'KV_node_v1', counts: counts(1), madeOn: 3 }]), []);
  assert.throws(() => movesTo(3, [{ name: 'NODE_EVENTS', counts: undefined }]), { code: 'not_found' });
});

test('a stream is to be made again only when it was removed and not made since', () => {
  const facts: MoveFact[] = [
    { what: 'removing', name: 'NODE_EVENTS' },
    { what: 'made', name: 'NODE_EVENTS' },
    { what: 'removing', name: 'KV_node_v1' },
  ];
  assert.deepEqual([...removedBy(facts)], ['KV_node_v1']);
  assert.deepEqual([...removedBy([...facts, ...facts])], ['KV_node_v1']);
  assert.deepEqual([...removedBy([...facts, ...facts.slice(0, 1)])], ['KV_node_v1', 'NODE_EVENTS']);
  assert.equal(readFact('{"what":"removing","name":"OTHER"}'), undefined);
});

test('a single server and a cluster that is too small are refused', () => {
  assert.throws(() => refuseMove(3, { isClustered: false, servers: 0 }), { code: 'conflict' });
  assert.throws(
    () => refuseMove(3, { isClustered: true, servers: 2 }),
    /has 2 servers, and the store needs 3/,
  );
  refuseMove(3, { isClustered: true, servers: 3 });
  refuseMove(1, { isClustered: true, servers: 2 });
});

test('a stream is whole when only its oldest messages have become too old, and never when one came or another one is missing', () => {
  // A stream keeps some of the numbers 1 to `last`. Afterwards the oldest ones may be gone, or something else happened.
  const streams = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(streams, fc.nat(30), fc.nat(3), (numbers, aged, added) => {
      const before = [...numbers].sort((a, b) => a - b);
      const lastSequence = before.at(-1) ?? 0;
      const part = { messages: before.length, lastSequence, state: { first_seq: before[0] } };
      const left = before.slice(Math.min(aged, before.length - 1));
      const now = { messages: left.length, firstSequence: left[0] ?? 0, lastSequence };
      assert.equal(isWhole(part, now), true);
      if (added > 0) {
        assert.equal(
          isWhole(part, { ...now, messages: now.messages + added, lastSequence: lastSequence + added }),
          false,
        );
        assert.equal(isWhole(part, { ...now, messages: part.messages + added }), false);
      }
      assert.equal(
        isWhole(part, { ...now, messages: part.messages - (now.firstSequence - (before[0] ?? 0)) - 1 }),
        false,
      );
    }),
  );
});
