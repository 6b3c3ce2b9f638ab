// An update of resources in the usual form is read as its schema reads it, and any other is left to the schema.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { updateResourcesRequestSchema } from '../../agent/protocol/messages.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { readUsualUpdate } from '../../agent/protocol/usual-update.ts';

const sample = {
  NodeID: 'n-7c1d2a34-5b6e-4f70-8a91-000000000001',
  AvailableCapacity: { CPU: 6.25, Memory: 26_931_553_894, Disk: 361_204_318_208 },
  QueueUsedCapacity: {},
  Usage: { CPU: 0.5, Memory: 0, Disk: 1, Load: 0 },
  RunningExecutions: 3,
  Muster: { Version: '1.2.3', ClusterID: 'c-1', Session: 's-1', Instance: 'i-1', BootID: 'b-1' },
};

/** Asserts that a text is read as by the schema, if it is read. Returns whether it is. */
function isReadAlike(text: string): boolean {
  const bytes = Buffer.from(text);
  const read = readUsualUpdate(bytes);
  if (!read) return false;
  const plain = validate(updateResourcesRequestSchema, parseJson(bytes));
  assert.deepEqual(read, plain);
  assert.equal(JSON.stringify(read), JSON.stringify(plain));
  return true;
}

test('what an agent of muster sends is in the usual form', () => {
  const { RunningExecutions: _, ...without } = sample;
  for (const message of [sample, without]) assert.ok(isReadAlike(writeJson(message)));
});

test('any figures and texts are read as by the schema', () => {
  const odd = fc.oneof(fc.double(), fc.maxSafeNat(), fc.constantFrom(0, -1, 1e300, 1e-9));
  const number = fc.oneof({ weight: 20, arbitrary: fc.nat() }, { weight: 1, arbitrary: odd });
  const text = fc.oneof(fc.stringMatching(/^[\w.-]{0,12}$/), fc.string());
  const message = fc.record({
    NodeID: text,
    AvailableCapacity: fc.record({ CPU: number, Memory: number, Disk: number }),
    QueueUsedCapacity: fc.constantFrom({}, {}, { CPU: 1 }),
    Usage: fc.record({ CPU: number, Memory: number, Disk: number, Load: number }),
    Muster: fc.record({ Version: text, ClusterID: text, Session: text, Instance: text, BootID: text }),
  });
  const seen = { usual: 0 };
  fc.assert(
    fc.property(message, fc.boolean(), (body, isClose) => {
      const close = { ...sample, AvailableCapacity: body.AvailableCapacity, Usage: body.Usage };
      if (isReadAlike(writeJson(isClose ? close : body))) seen.usual++;
    }),
    { numRuns: 2_000 },
  );
  assert.ok(seen.usual > 0);
});

test('a text that differs from the usual form in any one place is read as by the schema, or left to it', () => {
  const text = writeJson(sample);
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(3), fc.string({ maxLength: 3 }), (at, removed, put) => {
      isReadAlike(text.slice(0, at) + put + text.slice(at + removed));
    }),
    { numRuns: 3_000 },
  );
});
