// Tests that text from a machine is made harmless for lines, terminals and limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tidy } from '../../../agent/host/values/tidy.ts';

test('control characters, escape sequences and line breaks are removed', () => {
  assert.equal(tidy('  Evil\u001b[31m CPU\r\n9000\u0000 '), 'Evil [31m CPU 9000');
  assert.equal(tidy('right\u202eleft\ufeff'), 'rightleft');
});

test('an empty or invisible text gives nothing', () => {
  assert.equal(tidy(undefined), undefined);
  assert.equal(tidy(' \n\t\u200b '), undefined);
});

test('any text becomes one well-formed line within the limit', () => {
  const anyText = fc.string({ unit: 'binary', maxLength: 400 });
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 200 }), (text, limit) => {
      const plain = tidy(text, limit);
      if (plain === undefined) return;
      assert.ok(plain.length > 0 && plain.length <= limit);
      assert.ok(plain.isWellFormed());
      assert.doesNotMatch(plain, /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
      assert.equal(plain, plain.trim());
    }),
  );
});
