// Headers that only say what to expect are found in their bytes, exactly where the pattern that describes them finds them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { areExpectations } from '../../agent/transport/expectations.ts';

const pattern = /^NATS\/1\.0\r\n(?:Nats-Expected-[A-Za-z-]+: [\w.-]*\r\n)+\r\n$/;
const usual =
  'NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 17\r\nNats-Expected-Stream: KV_node_v1\r\n\r\n';

/** Asserts that both find the same in a text, whatever bytes are behind it. Returns what they find. */
function isFoundAlike(text: string, behind = ''): boolean {
  const found = areExpectations(Buffer.from(text + behind, 'latin1'), text.length);
  assert.equal(found, pattern.test(text), JSON.stringify(text + behind));
  return found;
}

test('the headers of a record are found, and not those of a marker', () => {
  assert.ok(isFoundAlike(usual, '{"Info":{}}'));
  assert.ok(!isFoundAlike(usual.slice(0, -2), '\r\n'));
  assert.ok(!isFoundAlike(usual.replace('Nats-Expected-Stream', 'KV-Operation')));
  assert.ok(!isFoundAlike('NATS/1.0\r\n\r\n'));
  assert.ok(!isFoundAlike('NATS/1.0 503\r\n\r\n'));
  assert.ok(!isFoundAlike(''));
});

test('headers of any pieces are found as by the pattern', () => {
  const piece = fc.constantFrom(
    'NATS/1.0',
    '\r\n',
    '\r',
    '\n',
    'Nats-Expected-',
    'Stream',
    'Last-Subject',
    ': ',
    ':',
    ' ',
    'KV_node_v1',
    '17',
    'a.b-c',
    'é',
    '@',
    '[',
    '`',
    '{',
    '/',
  );
  const line = fc.array(piece, { maxLength: 5 }).map(pieces => pieces.join(''));
  const usualLine = fc.constantFrom('Nats-Expected-Stream: S\r\n', 'Nats-Expected-A: \r\n');
  const lines = fc.array(fc.oneof(usualLine, usualLine, line), { maxLength: 4 });
  const seen = { found: 0 };
  fc.assert(
    fc.property(lines, fc.constantFrom('\r\n', '\r\n', ''), piece, (between, end, behind) => {
      if (isFoundAlike(`NATS/1.0\r\n${between.join('')}${end}`, behind)) seen.found++;
    }),
    { numRuns: 2_000 },
  );
  assert.ok(seen.found > 0);
});

test('headers that differ from the usual ones in one place are found as by the pattern', () => {
  const change = fc.tuple(fc.nat(usual.length), fc.nat(3), fc.string({ maxLength: 2 }));
  fc.assert(
    fc.property(change, ([at, removed, added]) => {
      isFoundAlike(Buffer.from(usual.slice(0, at) + added + usual.slice(at + removed)).toString('latin1'));
    }),
    { numRuns: 2_000 },
  );
});
