// Tests the token buckets: how much they allow in any sequence of tries, and what they keep in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TokenBuckets, takeToken, untilTokenMs } from '../../agent/system/token-buckets.ts';

const limits = { burst: 5, refillMs: 10_000 };

test('a bucket gives its burst at once, and then one token in each interval', () => {
  let now = 0;
  const buckets = new TokenBuckets(limits, () => now);
  const taken = () => Array.from({ length: 7 }, () => buckets.take('node-1')).filter(Boolean).length;
  assert.equal(taken(), 5);
  assert.equal(buckets.untilTokenMs('node-1'), 10_000);
  assert.equal(buckets.untilTokenMs('node-2'), 0, 'each key has a bucket of its own');
  now = 9_999;
  assert.equal(taken(), 0);
  now = 10_000;
  assert.equal(taken(), 1);
  now = 1_000_000;
  assert.equal(taken(), 5, 'a bucket never holds more than its burst');
});

test('any sequence of tries gets at most its burst and one token per interval, and is refused no longer than said', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30_000), { maxLength: 60 }), waits => {
      let now = 0;
      let fullAt: number | undefined;
      const taken: number[] = [];
      for (const wait of waits) {
        now += wait;
        const untilMs = untilTokenMs(fullAt, now, limits);
        const next = takeToken(fullAt, now, limits);
        assert.equal(next !== undefined, untilMs === 0);
        assert.equal(untilTokenMs(fullAt, now + untilMs, limits), 0);
        if (next === undefined) continue;
        fullAt = next;
        taken.push(now);
      }
      for (const [from, start] of taken.entries()) {
        for (const [to, end] of taken.entries()) {
          if (to >= from) assert.ok(to - from + 1 <= 5 + (end - start) / 10_000);
        }
      }
    }),
  );
});

test('full buckets are forgotten', () => {
  let now = 0;
  const buckets = new TokenBuckets(limits, () => now);
  for (let key = 0; key < 50_000; key++) {
    now += 100;
    buckets.take(`node-${key}`);
  }
  assert.ok(buckets.size <= 1_001, `${buckets.size} buckets`);
});
