// Tests how wide a cell is: each character counts once, however many units it takes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { widthOf } from '../../agent/output/table.ts';

test('the width is the number of characters, also beside halves of characters', () => {
  const unit = fc.constantFrom('a', 'é', '日', '😀', '\ud83d', '\ude00');
  fc.assert(
    fc.property(fc.array(unit), units => {
      const cell = units.join('');
      assert.equal(widthOf(cell), [...cell].length);
    }),
  );
});
