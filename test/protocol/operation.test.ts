// Tests the ids of operations, and what a record remembers of them.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  newOperation,
  operationPattern,
  operationTime,
  readOperation,
  rememberedOperations,
  rememberOperation,
} from '../../agent/protocol/operation.ts';
import { refuses } from '../support/refusal.ts';

test('an id names the millisecond in which it was made, and is sorted by it', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 47 }), fc.nat({ max: 2 ** 47 }), (a, b) => {
      const [first, second] = [a, b].map(at => newOperation(new Date(at), randomUUID()));
      assert.match(first ?? '', operationPattern);
      assert.equal(operationTime(first ?? '').getTime(), a);
      if (a < b) assert.ok((first ?? '') < (second ?? ''));
    }),
  );
  assert.notEqual(newOperation(new Date(1), randomUUID()), newOperation(new Date(1), randomUUID()));
});

test('an id is read in letters of any case, and anything else is refused', () => {
  const operation = newOperation(new Date(), randomUUID());
  assert.equal(readOperation(operation.toUpperCase()), operation);
  for (const text of [
    '',
    'x',
    randomUUID(),
    `${operation} `,
    ` ${operation}`,
    `${operation}\n`,
    '*'.repeat(36),
  ])
    refuses(() => readOperation(text), 'malformed');
});

test('an id of a time that no answer could show is refused', () => {
  const last = new Date('9999-12-31T23:59:59.999Z');
  const operation = newOperation(last, randomUUID());
  assert.equal(readOperation(operation), operation);
  for (const at of [last.getTime() + 1, 2 ** 48 - 1])
    refuses(() => readOperation(newOperation(new Date(at), randomUUID())), 'malformed');
});

test('a record remembers the last eight, and leaves out what it cannot read', () => {
  const operations = Array.from({ length: 10 }, (_, at) => newOperation(new Date(at), randomUUID()));
  const texts = operations.reduce<readonly string[]>(
    (before, operation) => rememberOperation(before, { kind: 'approved', operation, isBan: false }),
    [],
  );
  assert.deepEqual(
    rememberedOperations(texts).map(({ operation }) => operation),
    operations.slice(2),
  );
  assert.deepEqual(rememberedOperations(['', 'approved', 'approved x', ` ${operations[0]}`]), []);
});
