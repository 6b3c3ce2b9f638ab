// Every reader answers or refuses, whatever bytes it gets, and nothing else ever happens.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { answerSchema } from '../../agent/protocol/answers.ts';
import { decodeEnvelope } from '../../agent/protocol/envelope.ts';
import { readProtobufEnvelope } from '../../agent/protocol/envelope-protobuf.ts';
import { decodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import {
  heartbeatSchema,
  leaveRequestSchema,
  registerRequestSchema,
  updateResourcesRequestSchema,
} from '../../agent/protocol/messages.ts';
import { nodeInfoSchema } from '../../agent/protocol/node-info.ts';
import { nodeStateSchema } from '../../agent/protocol/node-state.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { captures, envelopeOf } from '../support/captures.ts';
import { pathsOf, withValue } from '../support/json-paths.ts';
import { jsonValues } from '../support/messages.ts';
import { protobufEnvelope } from '../support/protobuf.ts';
import { attempt } from '../support/refusal.ts';

const schemas = {
  registerRequestSchema,
  updateResourcesRequestSchema,
  leaveRequestSchema,
  heartbeatSchema,
  nodeInfoSchema,
  nodeStateSchema,
  answerSchema,
};
const readers: Record<string, (bytes: Uint8Array) => unknown> = {
  parseJson,
  decodeEnvelope,
  decodeHeartbeat,
  readProtobufEnvelope,
  ...Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      name,
      (bytes: Uint8Array) => validate(schema as typeof registerRequestSchema, parseJson(bytes)),
    ]),
  ),
};

/**
 * Gives `bytes` to every reader, as they are and under a correct checksum. `attempt` fails for any error that is not a
 * refusal.
 */
function readAll(bytes: Uint8Array): void {
  for (const read of Object.values(readers)) attempt(() => read(bytes));
  for (const version of [1, 2]) {
    for (const read of [decodeEnvelope, decodeHeartbeat]) attempt(() => read(envelopeOf(bytes, version)));
  }
}

const bodies = captures.map(({ encoding, bytes, decoded }) => ({
  body: encoding === 'plain-json' ? bytes : bytes.subarray(5),
  decoded,
}));
const protobufs = captures
  .filter(({ encoding }) => encoding === 'envelope-json-v1')
  .map(({ decoded }) => protobufEnvelope(decoded as Parameters<typeof protobufEnvelope>[0]));

const fragments = [
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\',
  ',',
  ':',
  'null',
  '-1',
  '1e999',
  '"__proto__":{}',
  '\u0000',
  '{"a":',
];
interface Edit {
  at: number;
  remove: number;
  insert: Buffer;
}
const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.record({
    at: fc.nat(2000),
    remove: fc.oneof(fc.constant(0), fc.constant(1), fc.nat(40)),
    insert: fc.oneof(
      fc.constantFrom(...fragments).map(text => Buffer.from(text)),
      fc.uint8Array({ maxLength: 4 }).map(bytes => Buffer.from(bytes)),
    ),
  }),
  { minLength: 1, maxLength: 6 },
);

const edited = (bytes: Buffer, changes: Edit[]) =>
  changes.reduce((result, { at, remove, insert }) => {
    const start = at % (result.length + 1);
    return Buffer.concat([result.subarray(0, start), insert, result.subarray(start + remove)]);
  }, bytes);

describe('every reader reads or refuses', () => {
  test('any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), readAll), { numRuns: 500 });
  });

  test('any JSON', () => {
    const json = jsonValues(5).map(value => Buffer.from(JSON.stringify(value)));
    fc.assert(fc.property(json, readAll), { numRuns: 300 });
  });

  test('recorded messages with changed bytes', () => {
    const messages = fc.constantFrom(...bodies.map(({ body }) => body), ...protobufs);
    fc.assert(
      fc.property(messages, edits, (body, changes) => readAll(edited(body, changes))),
      { numRuns: 2000 },
    );
  });

  test('recorded messages with any value in any place', () => {
    const places = bodies.flatMap(({ decoded }) => pathsOf(decoded).map(path => ({ decoded, path })));
    fc.assert(
      fc.property(fc.constantFrom(...places), jsonValues(3), ({ decoded, path }, value) =>
        readAll(Buffer.from(JSON.stringify(withValue(decoded, path, value)))),
      ),
      { numRuns: 500 },
    );
  });

  test('recorded messages, cut anywhere', () => {
    for (const { body } of bodies) {
      for (let length = 0; length <= body.length; length += 7) readAll(body.subarray(0, length));
    }
  });

  test('the largest messages, in the forms that cost most', () => {
    const filled = (open: string, item: string, close: string) => {
      const items = Math.floor((65_536 - open.length - close.length + 1) / (item.length + 1));
      return open + Array(items).fill(item).join(',') + close;
    };
    const pairs = Array.from({ length: 6000 }, (_, i) => `"k${i}":""`).join(',');
    const texts = [
      filled('{"Info":{"NodeID":"n","ComputeNodeInfo":{"MaxCapacity":{"GPUs":[', '{}', ']}}}}'),
      filled('{"Info":{"NodeID":"n","SupportedProtocols":[', '0', ']}}'),
      filled('[', '[[]]', ']'),
      `{"Info":{"NodeID":"n","Labels":{${pairs}}}}`,
      `{"metadata":{${pairs}},"payload":{}}`,
      '['.repeat(65_536),
      '"'.repeat(65_536),
      '\\'.repeat(65_536),
      ' '.repeat(65_536),
      '9'.repeat(65_531),
    ];
    for (const text of texts) {
      assert.ok(text.length <= 65_536);
      readAll(Buffer.from(text));
    }
    readAll(Buffer.alloc(65_531, 0x0a));
    readAll(Buffer.alloc(1_048_576, 0x7b));
  });
});

test('a message that is read can be written, and is then read the same again', () => {
  const places = bodies.flatMap(({ decoded }) => pathsOf(decoded).map(path => ({ decoded, path })));
  let read = 0;
  fc.assert(
    fc.property(fc.constantFrom(...places), jsonValues(2), ({ decoded, path }, value) => {
      for (const schema of [registerRequestSchema, updateResourcesRequestSchema, nodeStateSchema]) {
        const first = attempt(() =>
          validate(schema as typeof registerRequestSchema, withValue(decoded, path, value)),
        );
        if (first instanceof Error) continue;
        read++;
        const again = validate(schema as typeof registerRequestSchema, JSON.parse(writeJson(first)));
        assert.equal(writeJson(again), writeJson(first));
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(read > 20, `${read} were read`);
});

test('none of it has changed the members that all objects share', () => {
  readAll(
    Buffer.from('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"NodeID":"n"}'),
  );
  assert.equal('polluted' in {}, false);
  assert.deepEqual(Object.keys(Object.prototype), []);
});
