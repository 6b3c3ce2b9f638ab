// What is too long is refused before it is parsed, so the work for one input has a limit, whatever it says.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { apiDecoders } from './api-decoders.ts';
import { isProtocolError } from './decoder.ts';
import { messageDecoders } from './message-decoders.ts';
import { storeDecoders } from './store-decoders.ts';

/** What may be longer, because the broker or the requester alone sends it, each with the limit that it has. */
const mayBeLong = new Map([
  ['the list of the clients of the broker', 'a page of 4 MiB'],
  ["JetStream's description of a stream", 'the largest message of the broker'],
  ['a stored message', 'the largest message of the broker'],
]);
const longBytes = 1024 * 1024 + 1;

describe('an input of more than a mebibyte, of which only blanks are too much', () => {
  const decoders = [...messageDecoders, ...storeDecoders, ...apiDecoders].filter(
    ({ form, what }) => form === 'json' && !what.startsWith('an answer with') && !mayBeLong.has(what),
  );
  for (const { what, valid, wrap, read, isExpected = isProtocolError } of decoders) {
    test(what, async () => {
      const [sample] = fc.sample(valid, { seed: 1, numRuns: 1 });
      const long = Buffer.concat([Buffer.from(JSON.stringify(sample)), Buffer.alloc(longBytes, ' ')]);
      try {
        const value = await read(wrap ? wrap(long) : long);
        // A marker whose changes cannot be read is a marker all the same; another incarnation is made, and another note written.
        if (!/marker|incarnation|^the note of/.test(what)) assert.equal(value, undefined);
      } catch (error) {
        assert.ok(isExpected(error), String(error));
      }
    });
  }
});
