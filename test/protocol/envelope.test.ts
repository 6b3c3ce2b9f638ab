// Tests the envelope: its checks in Bacalhau's order and words, its limits, and any content.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decodeEnvelope,
  encodeEnvelope,
  envelopeType,
  messageMetadata,
  metadataKeys,
} from '../../agent/protocol/envelope.ts';
import { maxDepth, maxMessageBytes } from '../../agent/protocol/json.ts';
import { capture, envelopeOf, probes } from '../support/captures.ts';
import { jsonValues, names, unit } from '../support/messages.ts';
import { refuses } from '../support/refusal.ts';

const json = '{"Bacalhau-PayloadEncoding":"json"}';
const around = (metadata: string, payload = '1') =>
  envelopeOf(`{"metadata":${metadata},"payload":${payload}}`);

describe("an envelope is refused with Bacalhau's texts", () => {
  const heartbeat = capture('bprotocol/heartbeat').bytes;
  const broken: Record<string, Uint8Array> = {
    empty: new Uint8Array(),
    'too short': heartbeat.subarray(0, 4),
    'bad version': Buffer.concat([Buffer.from([9]), heartbeat.subarray(1)]),
    'bad crc': Buffer.concat([heartbeat.subarray(0, -1), Buffer.from([0x7e])]),
    'missing encoding': around('{}'),
  };
  for (const [name, bytes] of Object.entries(broken)) {
    test(name, () => {
      const error = refuses(() => decodeEnvelope(bytes), 'malformed', '', name);
      const cause = JSON.parse(probes.get(name) ?? '').payload.Cause;
      assert.match(
        cause,
        /^failed to deserialize request: failed to deserialize message (envelope|payload): /,
      );
      assert.ok(cause.endsWith(`: ${error.message}`), `${cause} / ${error.message}`);
    });
  }

  test('a header without a body', () => {
    for (const version of [1, 2]) {
      const error = refuses(() => decodeEnvelope(envelopeOf('', version)), 'malformed');
      assert.equal(error.message, version === 1 ? 'not a JSON document' : 'no payload');
    }
  });

  test('an encoding other than JSON', () => {
    const error = refuses(
      () => decodeEnvelope(around('{"Bacalhau-PayloadEncoding":"protobuf"}')),
      'malformed',
    );
    assert.equal(error.message, 'unsupported encoding: protobuf');
  });
});

describe('the checksum', () => {
  const { bytes } = capture('bprotocol/heartbeat');

  test('covers every bit of the body, and every bit of itself', () => {
    for (let bit = 8; bit < bytes.length * 8; bit++) {
      const copy = Buffer.from(bytes);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const error = refuses(() => decodeEnvelope(copy), 'malformed', '', `bit ${bit}`);
      assert.equal(error.message, 'bad message: CRC check failed');
    }
  });

  test('also detects a changed length', () => {
    for (let length = 5; length < bytes.length; length++) {
      refuses(() => decodeEnvelope(bytes.subarray(0, length)), 'malformed', '', `${length} bytes`);
    }
  });
});

describe('metadata', () => {
  test('is an object of texts: a real orchestrator crashes without one, muster refuses', () => {
    const bodies: [string, string][] = [
      ['{"payload":{}}', 'metadata'],
      ['{"metadata":null,"payload":{}}', 'metadata'],
      ['{"metadata":[],"payload":{}}', 'metadata'],
      ['{"metadata":["json"],"payload":{}}', 'metadata'],
      ['{"metadata":"json","payload":{}}', 'metadata'],
      ['{"metadata":{"Bacalhau-Type":5},"payload":{}}', 'metadata.Bacalhau-Type'],
      ['{"metadata":{"Type":null},"payload":{}}', 'metadata.Type'],
      ['{"metadata":{"x":{}},"payload":{}}', 'metadata.x'],
      ['[]', ''],
      ['7', ''],
      ['""', ''],
      ['null', 'metadata'],
    ];
    for (const [body, field] of bodies)
      refuses(() => decodeEnvelope(envelopeOf(body)), 'invalid_field', field, body);
  });

  test('has at most 64 keys and 512 characters in each', () => {
    const keys = (count: number) =>
      JSON.stringify(
        Object.fromEntries([
          ['PayloadEncoding', 'json'],
          ...Array.from({ length: count - 1 }, (_, i) => [`k${i}`, 'v']),
        ]),
      );
    const long = (key: number, value: number) =>
      JSON.stringify({ Type: 'x', PayloadEncoding: 'json', ['k'.repeat(key)]: 'v'.repeat(value) });
    assert.equal(Object.keys(decodeEnvelope(around(keys(64))).metadata).length, 64);
    refuses(() => decodeEnvelope(around(keys(65))), 'invalid_field', 'metadata');
    assert.equal(decodeEnvelope(around(long(512, 512))).payload, 1);
    refuses(() => decodeEnvelope(around(long(513, 1))), 'invalid_field', `metadata.${'k'.repeat(191)}`);
    refuses(() => decodeEnvelope(around(long(1, 513))), 'invalid_field', 'metadata.k');
  });

  test('keeps the case of its keys, while the members of the envelope match in any case', () => {
    const envelope = decodeEnvelope(envelopeOf(`{"Payload":{"a":1},"METADATA":${json}}`));
    assert.deepEqual(envelope, { metadata: JSON.parse(json), payload: { a: 1 } });
    refuses(() => decodeEnvelope(around('{"bacalhau-payloadencoding":"json"}')), 'malformed');
  });

  test('is read from the old keys where the new ones are absent', () => {
    const old = decodeEnvelope(around('{"PayloadEncoding":"json","Type":"old"}'));
    assert.equal(envelopeType(old), 'old');
    const both = decodeEnvelope(
      around('{"PayloadEncoding":"x","Type":"old","Bacalhau-PayloadEncoding":"json","Bacalhau-Type":"new"}'),
    );
    assert.equal(envelopeType(both), 'new');
    assert.equal(envelopeType(decodeEnvelope(around(json))), '');
  });

  test('is written as Bacalhau writes it, with the time in nanoseconds', () => {
    assert.deepEqual(messageMetadata('heartbeat', 'n-1', new Date(1_795_503_699_320)), {
      'Bacalhau-EventTime': '1795503699320000000',
      'Bacalhau-PayloadEncoding': 'json',
      'Bacalhau-Source': 'n-1',
      'Bacalhau-Type': 'heartbeat',
      PayloadEncoding: 'json',
      Type: 'heartbeat',
    });
  });
});

describe('the limits are exact', () => {
  const sized = (bytes: number) => {
    const empty = around(json, '""').length;
    return around(json, `"${'x'.repeat(bytes - empty)}"`);
  };

  test('64 KiB in total', () => {
    assert.equal(sized(maxMessageBytes).length, 65_536);
    assert.equal(typeof decodeEnvelope(sized(65_536)).payload, 'string');
    refuses(() => decodeEnvelope(sized(65_537)), 'too_large');
  });

  test('32 levels, and the envelope is one of them', () => {
    const nested = (levels: number) => around(json, '['.repeat(levels) + ']'.repeat(levels));
    assert.ok(decodeEnvelope(nested(maxDepth - 1)));
    refuses(() => decodeEnvelope(nested(maxDepth)), 'too_deep');
  });
});

test('anything that JSON can hold is read back', () => {
  fc.assert(
    fc.property(
      fc.dictionary(names(40), fc.string({ unit, maxLength: 40 }), {
        noNullPrototype: true,
      }),
      jsonValues(4),
      (extra, payload) => {
        const metadata = { ...extra, ...messageMetadata('t', 'n', new Date(0)) };
        const bytes = encodeEnvelope({ metadata, payload });
        assert.deepEqual(decodeEnvelope(bytes), { metadata, payload: JSON.parse(JSON.stringify(payload)) });
      },
    ),
  );
});

test('the session has a key of its own', () => {
  assert.equal(metadataKeys.session, 'Muster-Session');
});
