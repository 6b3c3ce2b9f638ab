// What has changed on the roll is sent in pieces that a page can read, however much it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RollPieces } from '../../../agent/requester/page/roll-pieces.ts';

test('when nodes were heard comes in pieces of bounded length, each node once', () => {
  const pieces = new RollPieces(1_000);
  const ids = Array.from({ length: 5_000 }, (_, at) => `node-${at}-${'x'.repeat(110)}`);
  const full = ids.flatMap((id, at) => pieces.add({ kind: 'heard', id, at }) ?? []);
  const all = [...full, ...pieces.end()];
  assert.ok(all.every(({ plain }) => plain.length <= 64 * 1024));
  const read = all.flatMap(({ plain }) => {
    const [, data = ''] = /^event: heard\ndata: (.*)\n\n$/.exec(plain.toString()) ?? [];
    const { at, nodes } = JSON.parse(data) as { at: number; nodes: Record<string, number> };
    assert.equal(at, 1_000);
    return Object.entries(nodes);
  });
  assert.deepEqual(
    read,
    ids.map((id, at) => [id, at]),
  );
  assert.deepEqual(pieces.end(), []);
});
