// Rows of numbers hold what was written last, whatever was added and removed meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NumberRows } from '../../agent/system/number-rows.ts';

test('rows are those of a model, for any sequence of additions, removals and changes', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'add', 'remove', 'change'),
    which: fc.nat(),
    column: fc.nat(2),
    value: fc.double(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const rows = new NumberRows(3);
      const model = new Map<number, number[]>();
      for (const { kind, which, column, value } of steps) {
        const index = [...model.keys()][which % Math.max(1, model.size)];
        if (kind === 'add') {
          const added = rows.add();
          assert.ok(!model.has(added), 'a row is given once');
          model.set(added, [Number.NaN, Number.NaN, Number.NaN]);
        } else if (index !== undefined && kind === 'remove') {
          rows.remove(index);
          model.delete(index);
        } else if (index !== undefined) {
          const { block, at } = rows.at(index);
          block[at + column] = value;
          model.set(index, model.get(index)?.with(column, value) ?? []);
        }
        for (const [row, numbers] of model) {
          const { block, at } = rows.at(row);
          assert.deepEqual([...block.subarray(at, at + 3)], numbers);
        }
      }
    }),
  );
});

test('the place of a row stays the same when there are many more', () => {
  const rows = new NumberRows(2);
  const { block, at } = rows.at(rows.add());
  block[at] = 7;
  for (let count = 0; count < 5_000; count++) rows.add();
  assert.equal(rows.at(0).block[rows.at(0).at], 7);
  assert.throws(() => rows.at(100_000), /no row 100000/);
});
