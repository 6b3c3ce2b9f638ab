// The line before a message is read as the client reads it, or left to the client.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Parser } from 'nats/lib/nats-base-client/internal_mod.js';
import { type MessageArgs, readMessageLine } from '../../agent/transport/message-line.ts';

const fresh = (): MessageArgs => ({ subject: Buffer.alloc(0), sid: -1, hdr: -1, size: -1 });

/** Reads a line as the client does. Undefined when the client throws. */
function plain(line: Uint8Array, hasHeaders: boolean): MessageArgs | undefined {
  const parser = new Parser({ push: () => undefined });
  Object.assign(parser, { ma: fresh(), hdr: hasHeaders ? 0 : -1 });
  try {
    parser.processMsgArgs(line);
  } catch {
    return undefined;
  }
  return parser.ma;
}

/** Asserts that a line is read as by the client, if it is read. Returns whether it is. */
function isReadAlike(text: string, hasHeaders: boolean): boolean {
  const line = Buffer.from(text);
  const args = fresh();
  const isRead = readMessageLine(args, line, hasHeaders);
  assert.deepEqual(args, isRead ? plain(line, hasHeaders) : fresh(), text);
  return isRead;
}

test('the lines that a broker writes are read', () => {
  for (const [line, hasHeaders] of [
    ['a 1 0', false],
    ['a.b 12 c.d 34', false],
    ['a 1 0 0', true],
    ['a.b 12 12 345', true],
    ['a.b 12 $JS.ACK.S.c.1.2.3.4.5 12 345', true],
  ] as const)
    assert.ok(isReadAlike(line, hasHeaders), line);
});

test('a line in another form is left to the client', () => {
  for (const line of ['', 'a', 'a 1', 'a  1 2', ' a 1 2', 'a 1 2 ', 'a\t1 2', 'a 1 r 2\r', 'a x 2', 'a 1 -2'])
    for (const hasHeaders of [false, true]) assert.ok(!isReadAlike(line, hasHeaders), line);
  for (const line of ['a 1 2 1', 'a 1 r 2 1', 'a 1  1 2', 'a 1 r s 1 2', 'a 1 2'])
    assert.ok(!isReadAlike(line, true), line);
});

test('any line is read as by the client, or left to it', () => {
  const field = fc.constantFrom('a', 'a.b', '1', '12', '345', '0', 'x1', '1x', '-1', '');
  const between = fc.constantFrom(' ', ' ', ' ', ' ', '  ', '\t', '\r');
  const lines = fc.oneof(
    fc.array(fc.tuple(field, between), { maxLength: 6 }).map(pairs => pairs.flat().join('')),
    fc.array(field, { minLength: 3, maxLength: 5 }).map(fields => fields.join(' ')),
    fc.tuple(fc.nat(), fc.nat(), fc.nat()).map(numbers => `a.b ${numbers.join(' ')}`),
  );
  const seen = { read: 0 };
  fc.assert(
    fc.property(lines, fc.boolean(), (line, hasHeaders) => {
      if (isReadAlike(line, hasHeaders)) seen.read++;
    }),
    { numRuns: 3_000 },
  );
  assert.ok(seen.read > 0);
});
