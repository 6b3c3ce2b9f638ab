// A stream of events reads the same however it is cut, with each of the ends of lines that the standard allows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventReader } from '../../../agent/web/feed/event-reader.ts';

test('events, signs of life and unknown fields', () => {
  const text =
    ': alive\n\nevent: nodes\ndata: [1,\ndata: 2]\nid: 7\n\ndata:x\n\nevent: empty\n\nevent: gone\ndata: cut';
  assert.deepEqual(new EventReader().read(text), [
    { name: 'nodes', data: '[1,\n2]' },
    { name: 'message', data: 'x' },
  ]);
});

test('a stream reads the same however it is cut', () => {
  const line = fc.string({ unit: fc.constantFrom('a', ' ', ':', '{', 'é') });
  const event = fc.record({
    name: fc.constantFrom('nodes', 'heard', 'gone'),
    lines: fc.array(line, { minLength: 1 }),
  });
  const end = fc.constantFrom('\n', '\r\n', '\r');
  fc.assert(
    fc.property(fc.array(event), end, fc.array(fc.nat(200)), (events, end, cuts) => {
      const text = events
        .map(({ name, lines }) => [`event: ${name}`, ...lines.map(each => `data: ${each}`), '', ''].join(end))
        .join('');
      const reader = new EventReader();
      const places = [0, ...cuts.filter(cut => cut < text.length).sort((a, b) => a - b), text.length];
      const parts = places.slice(1).map((place, index) => text.slice(places[index], place));
      // The end of the last line may be half of a longer one, until more comes.
      const read = [...parts, ': end'].flatMap(part => reader.read(part));
      assert.deepEqual(
        read,
        events.map(({ name, lines }) => ({ name, data: lines.join('\n') })),
      );
    }),
  );
});

test('an event without an end does not fill the memory', () => {
  const reader = new EventReader();
  const part = `data: ${'x'.repeat(1024 * 1024)}\n`;
  assert.throws(() => {
    for (let i = 0; i < 8; i++) reader.read(part);
  }, RangeError);
});
