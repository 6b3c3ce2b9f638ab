// The headers of a message that is sent have the bytes that the client's own headers would have, or are refused as those are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MsgHdrs, headers as newHeaders } from 'nats';
import { makeHeaders } from '../../agent/transport/outgoing-headers.ts';
import { BrokerError } from '../../agent/transport/port.ts';

const bytesOf = (headers: MsgHdrs): Uint8Array => (headers as MsgHdrs & { encode(): Uint8Array }).encode();

function inClient(fields: Record<string, string>): MsgHdrs | undefined {
  const headers = newHeaders();
  try {
    for (const [name, value] of Object.entries(fields)) headers.set(name, value);
    return headers;
  } catch {
    return undefined;
  }
}

function inMuster(fields: Record<string, string>): MsgHdrs | undefined {
  try {
    return makeHeaders(fields);
  } catch (error) {
    assert.ok(error instanceof BrokerError && error.fault === 'refused', String(error));
    return undefined;
  }
}

test('any names and values are written as the client writes them, or refused as there', () => {
  const usual = fc.constantFrom(
    'Nats-Msg-Id',
    'Nats-Expected-Stream',
    'KV-Operation',
    'Muster-Change',
    'nats-msg-id',
  );
  const names = fc.oneof(usual, fc.string({ minLength: 1 }), fc.string({ unit: 'binary', minLength: 1 }));
  const values = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', ' ', '\t x \u00a0', 'a\nb', 'a\r', '\n'),
  );
  fc.assert(
    fc.property(fc.dictionary(names, values, { minKeys: 1 }), fields => {
      const [mine, clients] = [inMuster(fields), inClient(fields)];
      assert.deepEqual(mine && bytesOf(mine), clients && bytesOf(clients));
    }),
    { numRuns: 500 },
  );
});

test('each control character, blank and colon in a name is refused', () => {
  for (const char of ['', ...Array.from({ length: 0x100 }, (_, code) => String.fromCharCode(code))]) {
    const fields = { [`A${char}b`]: 'x' };
    assert.equal(inMuster(fields) === undefined, inClient(fields) === undefined, JSON.stringify(char));
  }
});
