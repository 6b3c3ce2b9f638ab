// Rows of bytes hold what was written last, whatever was added and removed meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteRows } from '../../agent/system/byte-rows.ts';

const bytesPerRow = 24;

const bytesOf = (rows: ByteRows, row: number): number[] => {
  const { view, at } = rows.at(row);
  return [...new Uint8Array(view.buffer, view.byteOffset + at, bytesPerRow)];
};

test('rows are those of a model, for any sequence of additions, removals and changes', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'add', 'remove', 'change', 'change'),
    which: fc.nat(),
    place: fc.nat(bytesPerRow - 1),
    value: fc.nat(255),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const rows = new ByteRows(bytesPerRow);
      const model = new Map<number, number[]>();
      for (const { kind, which, place, value } of steps) {
        const index = [...model.keys()][which % Math.max(1, model.size)];
        if (kind === 'add') {
          const added = rows.add();
          assert.ok(!model.has(added), 'a row is given once');
          model.set(
            added,
            Array.from({ length: bytesPerRow }, () => 0),
          );
        } else if (index !== undefined && kind === 'remove') {
          rows.remove(index);
          model.delete(index);
        } else if (index !== undefined) {
          const { view, at } = rows.at(index);
          view.setUint8(at + place, value);
          model.set(index, model.get(index)?.with(place, value) ?? []);
        }
        for (const [row, bytes] of model) assert.deepEqual(bytesOf(rows, row), bytes);
      }
    }),
  );
});

test('the place of a row stays the same when there are many more', () => {
  const rows = new ByteRows(bytesPerRow);
  const { view, at } = rows.at(rows.add());
  view.setUint8(at, 7);
  for (let count = 0; count < 5_000; count++) rows.add();
  const first = rows.at(0);
  assert.equal(first.view.getUint8(first.at), 7);
  assert.throws(() => rows.at(100_000), /no row 100000/);
});
