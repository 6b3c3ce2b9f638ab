// Whatever a broker sends is read as the client reads it, in whatever chunks it arrives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Kind, Parser } from 'nats/lib/nats-base-client/internal_mod.js';

// What the client's own reader does is noted before the import below replaces it.
const { parse } = Parser.prototype;
const { readMessages } = await import('../../agent/transport/message-reader.ts');
await import('../../agent/transport/nats-internals.ts');

interface Read {
  events: unknown[];
  failure?: string;
}

/** Reads chunks with the client's own reader, or with the one that takes its place. */
function read(chunks: readonly Uint8Array[], isPlain: boolean): Read {
  const events: unknown[] = [];
  const parser = new Parser({
    push({ kind, msg, data }) {
      const line = msg && {
        subject: String(Buffer.from(msg.subject)),
        reply: msg.reply && String(Buffer.from(msg.reply)),
        sid: msg.sid,
        hdr: msg.hdr,
        size: msg.size,
      };
      events.push({ kind: Kind[kind], line, data: data && String(Buffer.from(data)) });
    },
  });
  try {
    for (const chunk of chunks) (isPlain ? parse : Parser.prototype.parse).call(parser, chunk);
    return { events };
  } catch (error) {
    // The client names the bytes at which it failed, which depend on where a chunk ends.
    return { events, failure: (error as Error).message.replace(/:.*/s, '') };
  }
}

/** Returns a text in pieces that end at these places. */
function divided(text: string, ends: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const at = [0, ...ends.map(end => end % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

/** Returns the messages that are read at once, and how many bytes they have. */
function readAtOnce(text: string): { messages: number; end: number } {
  let messages = 0;
  const end = readMessages(Buffer.from(text), 0, () => messages++);
  return { messages, end };
}

const whole = [
  'MSG a 1 0\r\n\r\n',
  'MSG a.b 12 c.d 3\r\nxyz\r\n',
  'MSG a.b 12 4\r\n\r\n\r\n\r\n',
  'HMSG a 1 0 0\r\n\r\n',
  'HMSG a.b 12 12 13\r\nNATS/1.0\r\n\r\nx\r\n',
  'HMSG a.b 12 $JS.ACK.S.c.1.2.3.4.5 12 14\r\nNATS/1.0\r\n\r\nMS\r\n',
];
const others = [
  'PING\r\n',
  'PONG\r\n',
  '+OK\r\n',
  "-ERR 'x'\r\n",
  'INFO {"a":1}\r\n',
  'msg a 1 1\r\nx\r\n',
  'MSG  a 1 1\r\nx\r\n',
  'MSG a 1  1\r\nx\r\n',
  'MSG\ta 1 1\r\nx\r\n',
  'MSG a 1 1 \r\nx\r\n',
  'MSG a 1 1\nx\r\n',
  'MSG a 1 1\r\nx\n',
  'MSG a 1 1\r\nx \r\n',
];
const wrong = [
  'MSG a\r\n',
  'MSG  1 1\r\nx\r\n',
  'MSG a x 1\r\nx\r\n',
  'MSG a 1 -1\r\n',
  'MSG a 1 b c 1\r\nx\r\n',
  'HMSG a 1 1\r\nx\r\n',
  'HMSG a 1 2 1\r\nx\r\n',
  'HMSG a 1  1 1\r\nx\r\n',
  'HMSX a 1 1\r\n',
  'MSG a 1 1\r\nxyz\r\n',
  'x',
];

test('the messages that a broker writes are read at once', () => {
  for (const text of whole) assert.deepEqual(readAtOnce(text), { messages: 1, end: text.length }, text);
  assert.deepEqual(readAtOnce(whole.join('')), { messages: whole.length, end: whole.join('').length });
});

test('what is not whole, or in another form, is left to the client', () => {
  for (const text of [...others, ...wrong]) assert.deepEqual(readAtOnce(text), { messages: 0, end: 0 }, text);
  for (const text of whole)
    for (let length = 0; length < text.length; length++) {
      const part = text.slice(0, length);
      assert.deepEqual(readAtOnce(part), { messages: 0, end: 0 }, part);
      assert.deepEqual(readAtOnce(text + part), { messages: 1, end: text.length }, text + part);
    }
});

test('whatever a broker sends is read as by the client, in any chunks', () => {
  const field = fc.constantFrom('a', 'a.b', '1', '3', '12', '0', 'x1', '-1', '', '\r', '\n');
  const lines = fc
    .tuple(fc.constantFrom('MSG', 'HMSG', 'MS'), fc.array(field, { minLength: 2, maxLength: 5 }))
    .map(([word, fields]) => `${word} ${fields.join(' ')}\r\nabc\r\n`);
  const piece = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...whole) },
    { weight: 4, arbitrary: fc.constantFrom(...others) },
    { weight: 1, arbitrary: fc.oneof(fc.constantFrom(...wrong), lines) },
  );
  const ends = fc.array(fc.nat(), { maxLength: 6 });
  const seen = { read: 0, failed: 0 };
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), ends, (pieces, places) => {
      const chunks = divided(pieces.join(''), places);
      const expected = read(chunks, true);
      assert.deepEqual(read(chunks, false), expected, JSON.stringify(chunks.map(String)));
      if (expected.failure !== undefined) seen.failed++;
      else if (expected.events.length > 0) seen.read++;
    }),
    { numRuns: 5_000 },
  );
  assert.ok(seen.read > 0 && seen.failed > 0);
});

test('a long message that arrives in many chunks is read as by the client', () => {
  for (const filler of ['x', '\n', '\r\n']) {
    const text = filler.repeat(5_000);
    const sent = `MSG a 1 ${text.length}\r\n${text}\r\n${whole.join('')}`;
    const ends = Array.from({ length: 40 }, (_, index) => index * 211);
    const { events } = read(divided(sent, ends), false);
    assert.equal(events.length, whole.length + 1);
    assert.deepEqual(events, read(divided(sent, ends), true).events);
  }
});
