// Tests the protobuf form of an envelope, written by hand as proto3 requires it, and broken in every way.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeEnvelope, encodeEnvelope, messageMetadata } from '../../agent/protocol/envelope.ts';
import { readProtobufEnvelope } from '../../agent/protocol/envelope-protobuf.ts';
import { decodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { maxDepth } from '../../agent/protocol/json.ts';
import { envelopeOf } from '../support/captures.ts';
import { jsonValues, names, unit } from '../support/messages.ts';
import { bytesField, fixedField, numberField, protobufEnvelope, varint } from '../support/protobuf.ts';
import { refuses } from '../support/refusal.ts';

const metadata = messageMetadata('heartbeat', 'n-1', new Date(0));
const beat = { NodeID: 'n-1', Sequence: 7 };
const payloadOnly = bytesField(2, bytesField(1, '1'));

test('an envelope in protobuf is read like one in JSON', () => {
  const envelope = { metadata, payload: beat };
  const bytes = envelopeOf(protobufEnvelope(envelope), 2);
  assert.deepEqual(decodeEnvelope(bytes), decodeEnvelope(encodeEnvelope(envelope)));
  assert.deepEqual(decodeHeartbeat(bytes), { ...beat, session: undefined });
});

test('any metadata and payload are read as they are in JSON', () => {
  fc.assert(
    fc.property(
      fc.dictionary(names(40), fc.string({ unit, maxLength: 200 }), {
        noNullPrototype: true,
      }),
      jsonValues(4),
      (extra, payload) => {
        const envelope = { metadata: { ...extra, ...metadata }, payload };
        const bytes = envelopeOf(protobufEnvelope(envelope), 2);
        assert.deepEqual(decodeEnvelope(bytes), decodeEnvelope(encodeEnvelope(envelope)));
      },
    ),
  );
});

describe('unknown fields are skipped', () => {
  const unknown = fc.oneof(
    fc
      .tuple(fc.integer({ min: 3, max: 536_870_911 }), fc.uint8Array({ maxLength: 20 }))
      .map(([field, bytes]) => bytesField(field, bytes)),
    fc
      .tuple(fc.integer({ min: 1, max: 536_870_911 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
      .map(([field, value]) => numberField(field, value)),
    fc
      .tuple(fc.integer({ min: 1, max: 536_870_911 }), fc.constantFrom<4 | 8>(4, 8))
      .map(([field, size]) => fixedField(field, size)),
  );

  test('of every wire type are skipped before, between and within the known ones', () => {
    fc.assert(
      fc.property(fc.array(unknown, { minLength: 4, maxLength: 4 }), ([a, b, c, d]) => {
        const pair = Buffer.concat([bytesField(1, 'k'), a ?? Buffer.of(), bytesField(2, 'v')]);
        const body = Buffer.concat([
          b ?? Buffer.of(),
          bytesField(1, Buffer.concat([bytesField(1, pair), c ?? Buffer.of()])),
          d ?? Buffer.of(),
          payloadOnly,
        ]);
        assert.deepEqual(readProtobufEnvelope(body), { metadata: { k: 'v' }, payload: 1 });
      }),
    );
  });

  test('may be the checksums that Bacalhau leaves unused', () => {
    const body = Buffer.concat([
      bytesField(1, Buffer.concat([bytesField(1, pairOf('k', 'v')), bytesField(2, 'checksum')])),
      bytesField(2, Buffer.concat([bytesField(1, '1'), bytesField(2, 'checksum')])),
    ]);
    assert.deepEqual(readProtobufEnvelope(body), { metadata: { k: 'v' }, payload: 1 });
  });
});

describe('the rules of proto3', () => {
  test('the last of two fields counts, and an absent key or value is empty', () => {
    const body = Buffer.concat([
      bytesField(1, bytesField(1, pairOf('k', 'first'))),
      bytesField(1, bytesField(1, pairOf('k', 'last'))),
      bytesField(1, bytesField(1, bytesField(1, 'bare'))),
      bytesField(1, bytesField(1, bytesField(2, 'nameless'))),
      payloadOnly,
      bytesField(2, bytesField(1, '2')),
    ]);
    assert.deepEqual(readProtobufEnvelope(body), {
      metadata: { k: 'last', bare: '', '': 'nameless' },
      payload: 2,
    });
  });

  test('`__proto__` is a key like any other', () => {
    const { metadata: read } = readProtobufEnvelope(
      Buffer.concat([bytesField(1, bytesField(1, pairOf('__proto__', 'x'))), payloadOnly]),
    );
    assert.deepEqual(Object.entries(read), [['__proto__', 'x']]);
    assert.equal(Object.getPrototypeOf(read), Object.prototype);
  });
});

describe('refused messages', () => {
  const whole = protobufEnvelope({ metadata, payload: beat });

  test('a message that ends anywhere except at the end of a field', () => {
    const ends = new Set([0, bytesField(1, firstOf(whole)).length]);
    for (let length = 0; length < whole.length; length++) {
      const error = refuses(
        () => readProtobufEnvelope(whole.subarray(0, length)),
        'malformed',
        '',
        `${length}`,
      );
      assert.equal(error.message, ends.has(length) ? 'no payload' : 'cut short', `${length} bytes`);
    }
  });

  const broken: [string, Buffer, string][] = [
    ['nothing', Buffer.of(), 'no payload'],
    ['metadata alone', bytesField(1, bytesField(1, pairOf('k', 'v'))), 'no payload'],
    ['an empty payload', bytesField(2, bytesField(1, '')), 'not a JSON document'],
    ['a payload that is no JSON', bytesField(2, bytesField(1, '{')), 'not a JSON document'],
    [
      'a payload that is no UTF-8',
      bytesField(2, bytesField(1, Buffer.of(0x22, 0xff, 0x22))),
      'not UTF-8 text',
    ],
    ['a group', Buffer.of((1 << 3) | 3), 'unknown wire type 3'],
    ['wire type 7', Buffer.of((1 << 3) | 7), 'unknown wire type 7'],
    ['a length beyond the end', Buffer.concat([Buffer.of(10), varint(2n ** 63n)]), 'cut short'],
    ['a number without an end', Buffer.alloc(11, 0xff), 'number too long'],
    ['a fixed number cut short', Buffer.concat([payloadOnly, fixedField(9, 8).subarray(0, -1)]), 'cut short'],
    ['a tag alone', Buffer.concat([payloadOnly, Buffer.of(0x08)]), 'cut short'],
    [
      'a long key',
      bytesField(1, bytesField(1, pairOf('k'.repeat(513), 'v'))),
      'metadata longer than 512 bytes',
    ],
    [
      'a long value',
      bytesField(1, bytesField(1, pairOf('k', 'v'.repeat(513)))),
      'metadata longer than 512 bytes',
    ],
    [
      '65 keys',
      bytesField(1, Buffer.concat(Array.from({ length: 65 }, (_, i) => bytesField(1, pairOf(`k${i}`, ''))))),
      'more than 64 metadata keys',
    ],
  ];
  for (const [name, body, message] of broken) {
    test(name, () => {
      assert.equal(refuses(() => readProtobufEnvelope(body), 'malformed', '', name).message, message);
    });
  }

  test('64 keys of 512 bytes are accepted', () => {
    const pairs = Array.from({ length: 64 }, (_, i) => bytesField(1, pairOf(`${i}`.padEnd(512, 'k'), 'v')));
    const read = readProtobufEnvelope(Buffer.concat([bytesField(1, Buffer.concat(pairs)), payloadOnly]));
    assert.equal(Object.keys(read.metadata).length, 64);
  });

  test('a payload that is nested too deeply', () => {
    const nested = (levels: number) => bytesField(2, bytesField(1, '['.repeat(levels) + ']'.repeat(levels)));
    assert.ok(readProtobufEnvelope(nested(maxDepth)));
    refuses(() => readProtobufEnvelope(nested(maxDepth + 1)), 'too_deep');
  });
});

function pairOf(key: string, value: string): Buffer {
  return Buffer.concat([bytesField(1, key), bytesField(2, value)]);
}

/** Returns the content of the first field of `body`, whose length takes two bytes. */
function firstOf(body: Buffer): Buffer {
  const length = ((body[1] ?? 0) & 0x7f) | ((body[2] ?? 0) << 7);
  return body.subarray(3, 3 + length);
}
