// Tests what a requester says of the health of a node: the rule that applies, and what comes next. It never contradicts health.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { healthOf } from '../../../agent/requester/health/health.ts';
import { outlookOf } from '../../../agent/requester/health/outlook.ts';

const limits = { disconnectedAfterMs: 45_000, unknownAfterMs: 90_000 };
const outlook = (silenceMs: number | undefined, left = false, waits?: string) =>
  outlookOf({ health: healthOf(silenceMs, limits), silenceMs, left, waits }, limits);

test('each health has its rule, and what comes next when nothing more is heard', () => {
  assert.deepEqual(outlook(10_000), {
    rule: 'it was heard within the last 45s (requester.nodeDisconnectedAfter)',
    next: { health: 'UNHEALTHY', inMs: 35_000 },
  });
  assert.deepEqual(outlook(45_000), {
    rule: 'it is silent for more than 45s (requester.nodeDisconnectedAfter)',
    next: { health: 'UNKNOWN', inMs: 45_000 },
  });
  assert.deepEqual(outlook(90_000), {
    rule: 'it is silent for more than 1m30s (requester.nodeUnknownAfter)',
  });
  assert.deepEqual(outlook(undefined), {
    rule: 'nothing was heard of it since the requester began to listen for it',
  });
  assert.deepEqual(outlook(undefined, true), { rule: 'it said that it stops' });
});

test('a verdict that waits is told with its reason', () => {
  const facts = { health: 'HEALTHY', silenceMs: 60_000, left: false, waits: 'a server is away' } as const;
  assert.deepEqual(outlookOf(facts, limits), {
    rule: 'it is silent for more than 45s (requester.nodeDisconnectedAfter), but the verdict waits',
    next: { health: 'UNHEALTHY', inMs: 0 },
    waits: 'a server is away',
  });
});

test('what is said to come next comes at that moment, and not before', () => {
  const limit = fc.integer({ min: 1, max: 1e6 });
  fc.assert(
    fc.property(limit, limit, fc.nat(2e6), (disconnectedAfterMs, unknownAfterMs, silenceMs) => {
      const given = { disconnectedAfterMs, unknownAfterMs };
      const health = healthOf(silenceMs, given);
      const { next } = outlookOf({ health, silenceMs, left: false, waits: undefined }, given);
      if (!next) return assert.equal(health, 'UNKNOWN');
      assert.equal(healthOf(silenceMs + next.inMs, given), next.health);
      if (next.inMs > 0) assert.equal(healthOf(silenceMs + next.inMs - 1, given), health);
    }),
  );
});
