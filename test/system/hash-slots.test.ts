// Numbers are found by their hashes, whatever was added and removed meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HashSlots } from '../../agent/system/hash-slots.ts';

function found(slots: HashSlots, hash: number): number[] {
  const values: number[] = [];
  for (let place = slots.first(hash); place >= 0; place = slots.next(hash, place))
    values.push(slots.valueAt(place));
  return values.sort((a, b) => a - b);
}

test('slots hold what a model holds, for any sequence of additions and removals', () => {
  // Hashes whose upper bits are the same, also at the end of the table, where a search goes on at its beginning.
  const hashes = [0, 1, 2, -1, -2, -3, 0x7fffffff, -0x80000000, 0x10000000, 0x10000001, 0x0fffffff];
  const step = fc.record({
    kind: fc.constantFrom('add', 'add', 'add', 'remove', 'remove'),
    hash: fc.oneof(fc.constantFrom(...hashes), fc.integer()),
    which: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), steps => {
      const slots = new HashSlots();
      const model = new Map<number, number>();
      let added = 0;
      for (const { kind, hash, which } of steps) {
        const [value, itsHash] = [...model][which % Math.max(1, model.size)] ?? [];
        if (kind === 'add') {
          slots.add(hash, added);
          model.set(added++, hash);
        } else if (value !== undefined && itsHash !== undefined) {
          slots.remove(itsHash, value);
          model.delete(value);
        }
        // One that is not there is left alone.
        slots.remove(hash, -5);
        for (const each of new Set([...model.values(), hash])) {
          const expected = [...model].filter(([, hash]) => hash === each).map(([value]) => value);
          assert.deepEqual(found(slots, each), expected);
        }
      }
    }),
  );
});

test('slots that all were taken and freed again are found to be free', () => {
  const slots = new HashSlots();
  for (let value = 0; value < 1_000; value++) slots.add(Math.imul(value, 0x9e3779b1), value);
  for (let value = 0; value < 1_000; value++) {
    assert.deepEqual(found(slots, Math.imul(value, 0x9e3779b1)), [value]);
    slots.remove(Math.imul(value, 0x9e3779b1), value);
  }
  for (let value = 0; value < 1_000; value++)
    assert.deepEqual(found(slots, Math.imul(value, 0x9e3779b1)), []);
});
