// Heartbeats find the node of their id and session, and never another one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SessionRows } from '../../../agent/requester/health/session-rows.ts';
import { ByteRows } from '../../../agent/system/byte-rows.ts';

// Ids of which one is the beginning of another, and sessions that end what an id begins.
const ids = ['a', 'ab', 'abc', 'b', 'n-é', 'x'.repeat(70), 'x'.repeat(128)];
const sessions = [undefined, '', 'c', 'bc', 's'.repeat(8), 's'.repeat(9), 'é', '\u0163', '\ud800'];
const step = fc.record({
  kind: fc.constantFrom('add', 'add', 'remove'),
  id: fc.constantFrom(...ids),
  session: fc.constantFrom(...sessions),
});

const isAscii = (text: string) => Buffer.byteLength(text) === text.length;

/** Returns the sessions of so many rows, which stand behind something else in each row. */
function sessionsOf(count: number, factors?: Int32Array): SessionRows {
  const rows = new ByteRows(128);
  for (let row = 0; row < count; row++) rows.add();
  return new SessionRows(rows, 34, factors);
}

/** Returns an id and a session, each somewhere in bytes. */
const inBytes = (id: string, session = '') => ({
  view: new DataView(Uint8Array.from(Buffer.from(`x${session}yz${id}w`, 'latin1')).buffer),
  sessionAt: 1,
  sessionLength: session.length,
  idAt: session.length + 3,
  idLength: id.length,
});

for (const [name, factor] of [
  ['random factors', undefined],
  ['one hash for all ids', 0],
] as const) {
  test(`sessions are those of a model, with ${name}`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), steps => {
        const rows = sessionsOf(
          ids.length + 1,
          factor === undefined ? undefined : new Int32Array(80).fill(factor),
        );
        const model = new Map<string, string | undefined>();
        for (const { kind, id, session } of steps) {
          if (kind === 'remove' || model.has(id)) {
            rows.remove(ids.indexOf(id), id);
            model.delete(id);
          } else if (rows.add(ids.indexOf(id), id, session)) model.set(id, session);
          for (const [index, each] of ids.entries())
            for (const its of sessions) {
              const isThere = model.has(each) && model.get(each) === its;
              assert.equal(rows.find(each, its), isThere ? index : -1, `${each} ${its}`);
              assert.equal(rows.has(index, each, its), isThere, `${each} ${its}`);
              assert.equal(rows.has(index + 1, each, its), false, `${each} ${its}`);
              if (its !== '' && isAscii(each + (its ?? '')))
                assert.equal(rows.findIn(inBytes(each, its)), isThere ? index : -1, `${each} ${its}`);
            }
        }
      }),
    );
  });
}

test('only short texts of ASCII are taken, and an empty session is none', () => {
  const rows = sessionsOf(2);
  const taken = (id: string, session: string | undefined) => rows.add(1, id, session);
  assert.equal(taken('n-7c1d2a34-5b6e-4f70-8a91-000000000001', '5e551010-5b6e-4f70-8a91-000000000001'), true);
  assert.equal(taken('a', undefined), true);
  assert.equal(taken('b', 's'.repeat(77)), true);
  assert.equal(taken('c', 's'.repeat(78)), false);
  assert.equal(taken('d', ''), false);
  assert.equal(taken('e', 'é'), false);
  // As many characters as there is room for bytes, of which only the first ones would be written.
  assert.equal(taken('f', `${'é'.repeat(38)}b${'x'.repeat(38)}`), false);
});

test('thousands of nodes are each found, also when rows are given again', () => {
  const count = 6_000;
  const rows = sessionsOf(count);
  for (let row = 0; row < count; row++) rows.add(row, `n-${row}`, `s-${row}`);
  for (let row = 0; row < count; row += 2) {
    rows.remove(row, `n-${row}`);
    rows.add(row, `again-${row}`, `s-${row}`);
  }
  for (let row = 0; row < count; row++) {
    const isAgain = row % 2 === 0;
    assert.equal(rows.find(`n-${row}`, `s-${row}`), isAgain ? -1 : row);
    assert.equal(rows.find(`again-${row}`, `s-${row}`), isAgain ? row : -1);
  }
});

test('texts that differ in one character, wherever it is, are told apart', () => {
  const name = (minLength: number) =>
    fc.string({ unit: fc.constantFrom(...'ab-_09'), minLength, maxLength: 39 });
  fc.assert(
    fc.property(name(1), name(1), fc.nat(), (id, session, which) => {
      const rows = sessionsOf(1, new Int32Array(80));
      rows.add(0, id, session);
      assert.equal(rows.findIn(inBytes(id, session)), 0);
      const both = id + session;
      const at = which % both.length;
      const changed = `${both.slice(0, at)}x${both.slice(at + 1)}`;
      const other = [changed.slice(0, id.length), changed.slice(id.length)] as const;
      assert.equal(rows.findIn(inBytes(...other)), -1);
      assert.equal(rows.find(...other), -1);
    }),
  );
});
