// A heartbeat that is noted in the short way leaves the table as one that is noted in the plain way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LivenessTable } from '../../../agent/requester/health/health.ts';

const limits = { disconnectedAfterMs: 10, unknownAfterMs: 20 };

test('the heartbeat of a node that is HEALTHY and was announced so is noted in the short way', () => {
  const table = new LivenessTable(limits);
  const node = table.add('a');
  table.setSession('a', 's');
  const usual = (session: string | undefined, now: number) =>
    table.noteUsual('a', session, 7, now, 1_000 + now);
  assert.equal(usual('s', 0), false, 'it was never heard');
  table.note(node, 1, 1_001);
  assert.equal(usual('s', 2), false, 'it was not announced as HEALTHY');
  node.announced = 'HEALTHY';
  assert.equal(usual('t', 3), false, 'it has another session');
  assert.equal(usual(undefined, 3), false);
  assert.deepEqual([node.lastSeen, node.lastSeenAt, node.sequence], [1, 1_001, 0]);
  assert.equal(usual('s', 10), true);
  assert.deepEqual([node.lastSeen, node.lastSeenAt, node.sequence], [10, 1_010, 7]);
  assert.equal(usual('s', 20), false, 'it is not HEALTHY any more');
  table.note(node, 21, 1_021);
  table.setSession('a', null);
  assert.equal(usual('s', 22), false, 'its record has to be looked at');
  table.setSession('a', undefined);
  assert.equal(usual(undefined, 22), true);
  table.markLeft(node);
  assert.equal(usual(undefined, 23), false, 'it said that it stops');
  table.delete('a');
  table.note(node, 24, 1_024);
  assert.deepEqual([table.alive, table.isAlive(node), usual(undefined, 24)], [0, false, false]);
});

test('a heartbeat of a node that was removed does not count for the one that has its row now', () => {
  const table = new LivenessTable(limits);
  const removed = table.add('a');
  const { row } = removed;
  table.setSession('a', 's');
  table.delete('a');
  const other = table.add('b', 'HEALTHY');
  table.note(other, 1, 1_001);
  assert.equal(other.row, row);
  assert.equal(table.noteUsual('a', 's', 1, 2, 1_002), false);
  assert.equal(other.lastSeen, 1);
});

const ids = ['a', 'b', 'c', 'd'];
/** The longest is in no row of the sessions. */
const sessions = ['s', 't', 's'.repeat(100), undefined, null];
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('beat'), id: fc.constantFrom(...ids) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('add', 'delete', 'left', 'mark', 'announce', 'announce', 'session'),
      id: fc.constantFrom(...ids),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('check', 'wait', 'wait') }) },
);
const step = fc.record({
  operation,
  session: fc.constantFrom(...sessions),
  ms: fc.constantFrom(0, 1, 4, 9, 10, 11, 20),
});

/** Returns a heartbeat as it stands in bytes. */
const inBytes = (id: string, session = '', sequence: number) => ({
  view: new DataView(Uint8Array.from(Buffer.from(session + id, 'latin1')).buffer),
  idAt: session.length,
  idLength: id.length,
  sessionAt: 0,
  sessionLength: session.length,
  sequence,
});

/** Returns all that a table tells. */
function toldBy(table: LivenessTable, now: number) {
  return {
    nodes: [...table.values()].map(node => ({
      id: node.id,
      health: table.health(node, now),
      isAlive: table.isAlive(node),
      lastSeen: node.lastSeen,
      lastSeenAt: node.lastSeenAt,
      healthySince: node.healthySince,
      silentSince: node.silentSince,
      left: node.left,
      announced: node.announced,
      sequence: node.sequence,
    })),
    size: table.size,
    alive: table.alive,
    overdue: [table.countOverdue(now), table.countOverdue(now, 2)],
    notHeard: [table.countNotHeardSince(now - 5), table.countNotHeardSince(now, 1)],
  };
}

test('a table is the same whether heartbeats are noted in the short way or plainly', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), steps => {
      const [short, plain] = [new LivenessTable(limits), new LivenessTable(limits)];
      const sessionOf = new Map<string, string | undefined | null>();
      let now = 0;
      for (const [sequence, { operation, session, ms }] of steps.entries()) {
        const { kind } = operation;
        if (kind === 'wait') now += ms;
        else if (kind === 'check') {
          const [left, right] = [short, plain].map(table =>
            [...table.expired(now)].map(({ node, health }) => {
              node.silentSince ??= 1_000 + now;
              return `${node.id} ${health}`;
            }),
          );
          assert.deepEqual(left, right);
        } else if ('id' in operation) {
          const { id } = operation;
          if (kind === 'beat') {
            const its = session ?? undefined;
            const heard = sequence % 2 === 0 ? inBytes(id, its, sequence) : undefined;
            const isUsual = heard
              ? short.noteHeard(heard, now, 1_000 + now)
              : short.noteUsual(id, its, sequence, now, 1_000 + now);
            const counts = sessionOf.has(id) && sessionOf.get(id) === its;
            assert.ok(counts || !isUsual);
            for (const table of isUsual ? [plain] : [plain, short]) {
              const node = table.get(id);
              if (!node || !counts) continue;
              table.note(node, now, 1_000 + now);
              node.sequence = sequence;
            }
          } else
            for (const table of [short, plain]) {
              const node = table.get(id);
              if (kind === 'add') table.setSession(table.add(id, 'HEALTHY').id, session);
              if (kind === 'delete') table.delete(id);
              if (kind === 'mark') table.markAlive(id, now, 1_000 + now);
              if (kind === 'session') table.setSession(id, session);
              if (kind === 'left' && node) table.markLeft(node);
              if (kind === 'announce' && node) node.announced = table.health(node, now);
            }
        }
        if ('id' in operation) {
          const { id } = operation;
          if (kind === 'add' || (kind === 'session' && short.get(id))) sessionOf.set(id, session);
          if (kind === 'delete') sessionOf.delete(id);
        }
        assert.deepEqual(toldBy(short, now), toldBy(plain, now));
        for (const id of ids)
          for (const each of sessions)
            if (each !== null)
              assert.equal(short.hasSession(id, each), sessionOf.has(id) && sessionOf.get(id) === each);
      }
    }),
    { numRuns: 200 },
  );
});
