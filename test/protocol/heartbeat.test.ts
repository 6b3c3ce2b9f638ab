// Heartbeats are read in both of their forms, which the first byte tells apart.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeEnvelope, envelopeBodyAt, messageMetadata } from '../../agent/protocol/envelope.ts';
import { ProtocolError } from '../../agent/protocol/error.ts';
import {
  decodeHeartbeat,
  encodeHeartbeat,
  encodePlainHeartbeat,
  heartbeatOf,
} from '../../agent/protocol/heartbeat.ts';
import { readUsualHeartbeat } from '../../agent/protocol/usual-heartbeat.ts';
import { mutatedJson } from '../fuzz/mutations.ts';
import { capture, envelopeOf } from '../support/captures.ts';
import { heartbeats } from '../support/messages.ts';
import { refuses } from '../support/refusal.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const plain = (text: string) => decodeHeartbeat(Buffer.from(text));
const withMetadata = (metadata: object, payload: unknown = { NodeID: 'n-1', Sequence: 1 }) =>
  envelopeOf(JSON.stringify({ metadata, payload }));

test('any heartbeat and session in an envelope are read back', () => {
  const sessions = fc.option(fc.string({ minLength: 1, maxLength: 128 }), { nil: undefined });
  const dates = fc.date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(heartbeats, sessions, dates, (beat, session, at) => {
      const bytes = encodeHeartbeat(beat, session, at);
      assert.deepEqual(decodeHeartbeat(bytes), { ...beat, session });
      const nanoseconds = decodeEnvelope(bytes).metadata['Bacalhau-EventTime'] ?? '';
      assert.equal(BigInt(nanoseconds), BigInt(at.getTime()) * 1_000_000n);
    }),
  );
});

/** Returns the heartbeat in an envelope with this text, or why it is refused. */
function read(text: string) {
  try {
    return decodeHeartbeat(envelopeOf(text));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.message;
  }
}

test('a heartbeat is read the same in the usual form and in any other', () => {
  const sessions = fc.constantFrom(undefined, 's-1', 'a b', '\u00e9');
  fc.assert(
    fc.property(heartbeats, sessions, fc.integer(), (beat, session, seed) => {
      const text = encodeHeartbeat(beat, session, new Date(0)).toString('utf8', 5);
      // A blank before the text makes it another form of the same JSON.
      for (const each of [text, mutatedJson(JSON.parse(text), new SeededRandom(seed))])
        assert.deepEqual(read(each), read(` ${each}`));
    }),
    { numRuns: 500 },
  );
});

test('texts of any length are read the same in the usual form and in any other', () => {
  const usual = encodeHeartbeat({ NodeID: 'n-1', Sequence: 1 }, 's-1', new Date(0)).toString('utf8', 5);
  const parts = [
    /(?<="Bacalhau-EventTime":")0+/,
    /(?<=Source":")n-1/,
    /s-1/,
    /(?<=NodeID":")n-1/,
    /1(?=\}\}$)/,
  ];
  for (const part of parts) {
    assert.match(usual, part);
    for (const length of [0, 1, 14, 15, 16, 17, 20, 21, 127, 128, 129, 200, 511, 512, 513, 600]) {
      const text = usual.replace(part, '1'.repeat(length));
      assert.deepEqual(read(text), read(` ${text}`), `${part} with ${length} characters`);
    }
  }
});

test('a heartbeat that was cut off is not read to its end with what is left of another one', () => {
  const long = encodeHeartbeat({ NodeID: 'n-1', Sequence: 123 }, 's-1', new Date(0));
  const text = long.toString('utf8', envelopeBodyAt);
  for (let length = 0; length < text.length; length++) {
    assert.deepEqual(decodeHeartbeat(long), { NodeID: 'n-1', Sequence: 123, session: 's-1' });
    assert.equal(readUsualHeartbeat(envelopeOf(text.slice(0, length))), undefined);
  }
  assert.equal(readUsualHeartbeat(envelopeOf(`${text} `)), undefined);
  assert.equal(readUsualHeartbeat(new Uint8Array()), undefined);
});

test('a heartbeat is the same in bytes that are no buffer, and for any change of one byte', () => {
  const text = encodeHeartbeat({ NodeID: 'n-1', Sequence: 12 }, 's-1', new Date(0)).toString(
    'latin1',
    envelopeBodyAt,
  );
  for (let at = 0; at < text.length; at++)
    for (const other of ['0', '-', 'x', '"', '\\', '}', '\0', '\u007f']) {
      const changed = text.slice(0, at) + other + text.slice(at + 1);
      assert.deepEqual(read(changed), read(` ${changed}`), changed);
      const usual = readUsualHeartbeat(Uint8Array.from(envelopeOf(changed)));
      if (usual) assert.deepEqual(heartbeatOf(usual), read(` ${changed}`));
    }
});

test('a heartbeat in the usual form with another checksum is refused', () => {
  const bytes = encodeHeartbeat({ NodeID: 'n-1', Sequence: 1 }, 's-1', new Date(0));
  const last = bytes.length - 3;
  bytes[last] = '2'.charCodeAt(0);
  refuses(() => decodeHeartbeat(bytes), 'malformed');
});

test('any plain heartbeat is read back, without a session', () => {
  fc.assert(
    fc.property(heartbeats, beat => {
      assert.deepEqual(plain(encodePlainHeartbeat(beat)), { ...beat, session: undefined });
    }),
  );
});

test('the plain text that Bacalhau 1.4 sends is read', () => {
  const text = '{"NodeID":"n-old","Sequence":1}';
  assert.equal(encodePlainHeartbeat({ NodeID: 'n-old', Sequence: 1 }), text);
  assert.deepEqual(plain(`\n\t ${text}\n`), { NodeID: 'n-old', Sequence: 1, session: undefined });
});

test('a session adds one key to the metadata of the recorded message', () => {
  const at = new Date(0);
  const { metadata } = decodeEnvelope(encodeHeartbeat({ NodeID: 'n-1', Sequence: 1 }, 's-1', at));
  assert.deepEqual(metadata, { ...messageMetadata('heartbeat', 'n-1', at), 'Muster-Session': 's-1' });
  const without = decodeEnvelope(encodeHeartbeat({ NodeID: 'n-1', Sequence: 1 }, undefined, at));
  assert.deepEqual(without.metadata, messageMetadata('heartbeat', 'n-1', at));
});

describe('metadata keys of all versions', () => {
  const read = (metadata: object) => decodeHeartbeat(withMetadata(metadata)).NodeID;

  test('1.5.2 writes only the new ones, 1.5.0 and 1.5.1 only the old ones, 1.6 and later both', () => {
    const newer = { 'Bacalhau-PayloadEncoding': 'json', 'Bacalhau-Type': 'heartbeat' };
    const older = { PayloadEncoding: 'json', Type: 'heartbeat', Source: 'n-1', EventTime: '1' };
    for (const metadata of [newer, older, { ...older, ...newer }]) assert.equal(read(metadata), 'n-1');
  });

  test('a message of another type or without a type is not a heartbeat', () => {
    for (const type of ['transport.HeartbeatRequest', 'Heartbeat', '']) {
      const error = refuses(
        () => read({ 'Bacalhau-PayloadEncoding': 'json', 'Bacalhau-Type': type }),
        'malformed',
        '',
        type,
      );
      assert.equal(error.message, `unsupported message type: ${type}`);
    }
    refuses(() => read({ 'Bacalhau-PayloadEncoding': 'json' }), 'malformed');
    refuses(() => decodeHeartbeat(capture('ncl/transport.HeartbeatRequest').bytes), 'malformed');
  });
});

describe('a heartbeat is read as Go reads it, in both forms', () => {
  const metadata = messageMetadata('heartbeat', 'n-1', new Date(0));
  const both = [
    plain,
    (text: string) =>
      decodeHeartbeat(envelopeOf(`{"metadata":${JSON.stringify(metadata)},"payload":${text}}`)),
  ];

  test('names match in any case, other members are ignored, and a missing or null sequence is zero', () => {
    const cases: [string, number][] = [
      ['{"nodeid":"n-1","SEQUENCE":3}', 3],
      ['{"Sequence":4,"NodeID":"n-1","Extra":{"a":[1]}}', 4],
      ['{"NodeID":"n-1"}', 0],
      ['{"NodeID":"n-1","Sequence":null}', 0],
      ['{"NodeID":"n-1","Sequence":9007199254740991}', Number.MAX_SAFE_INTEGER],
    ];
    for (const read of both) {
      for (const [text, sequence] of cases)
        assert.deepEqual(read(text), { NodeID: 'n-1', Sequence: sequence, session: undefined }, text);
    }
  });

  test('wrong members are refused with the name of the field', () => {
    const cases: [string, string][] = [
      ['{"NodeID":"n 1","Sequence":1}', 'NodeID'],
      ['{"NodeID":"n.1","Sequence":1}', 'NodeID'],
      ['{"NodeID":"","Sequence":1}', 'NodeID'],
      ['{"NodeID":null,"Sequence":1}', 'NodeID'],
      ['{"NodeID":5,"Sequence":1}', 'NodeID'],
      ['{"Sequence":1}', 'NodeID'],
      ['{}', 'NodeID'],
      ['{"NodeID":"n-1","Sequence":-1}', 'Sequence'],
      ['{"NodeID":"n-1","Sequence":1.5}', 'Sequence'],
      ['{"NodeID":"n-1","Sequence":1e21}', 'Sequence'],
      ['{"NodeID":"n-1","Sequence":9007199254740992}', 'Sequence'],
      ['{"NodeID":"n-1","Sequence":"1"}', 'Sequence'],
      ['{"NodeID":"n-1","Sequence":true}', 'Sequence'],
      ['{"NodeID":"n-1","Sequence":[1]}', 'Sequence'],
    ];
    for (const read of both)
      for (const [text, field] of cases) refuses(() => read(text), 'invalid_field', field, text);
  });
});

test('no bytes at all, and an unknown version of the envelope, are refused', () => {
  assert.equal(refuses(() => decodeHeartbeat(new Uint8Array()), 'malformed').message, 'empty data');
  for (const version of [0, 3, 8]) {
    const bytes = Buffer.from(capture('bprotocol/heartbeat').bytes);
    bytes[0] = version;
    assert.equal(
      refuses(() => decodeHeartbeat(bytes), 'malformed').message,
      `unsupported encoding: 0x0${version}`,
    );
  }
});
