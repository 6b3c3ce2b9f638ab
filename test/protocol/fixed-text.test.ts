// A text stands where its bytes do, and nowhere else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FixedText } from '../../agent/protocol/fixed-text.ts';

const texts = fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 40 });

test('a text is found where it stands, for any bytes around it', () => {
  fc.assert(
    fc.property(
      texts,
      fc.uint8Array({ maxLength: 20 }),
      fc.uint8Array({ maxLength: 20 }),
      (text, before, after) => {
        const bytes = Buffer.concat([before, Buffer.from(text), after]);
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        for (let at = 0; at + text.length <= bytes.length; at++) {
          const stands = bytes.toString('latin1', at, at + text.length) === text;
          assert.equal(new FixedText(text).isAt(view, at), stands);
        }
      },
    ),
  );
});

test('a text of which one byte differs is another one, and so is one that is no number', () => {
  const text = '{"metadata":{"Bacalhau-EventTime":"';
  const fixed = new FixedText(text);
  const bytes = Buffer.from(text);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  assert.equal(fixed.length, text.length);
  assert.equal(fixed.isAt(view, 0), true);
  for (let at = 0; at < text.length; at++)
    for (let byte = 0; byte < 256; byte++) {
      const own = bytes[at] ?? 0;
      bytes[at] = byte;
      assert.equal(fixed.isAt(view, 0), byte === own, `${byte} at ${at}`);
      bytes[at] = own;
    }
  bytes.fill(0xff, 0, 8);
  assert.equal(fixed.isAt(view, 0), false);
});
