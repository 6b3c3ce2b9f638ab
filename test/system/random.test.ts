// Jitter and back-off stay within their bounds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoff, jitter, systemRandom } from '../../agent/system/random.ts';
import { steadyRandom } from '../support/steady-random.ts';

const fractions = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('jitter changes a value by its share at most, in both directions', () => {
  fc.assert(
    fc.property(
      fractions,
      fc.nat(1e9),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (fraction, value, share) => {
        const moved = jitter(steadyRandom(fraction), value, share);
        const slack = value * 1e-12;
        assert.ok(moved >= value * (1 - share) - slack && moved <= value * (1 + share) + slack);
      },
    ),
  );
  assert.equal(jitter(steadyRandom(0), 1000, 0.1), 900);
  assert.equal(jitter(steadyRandom(0.5), 1000, 0.1), 1000);
  assert.equal(jitter(steadyRandom(1 - Number.EPSILON), 1000, 0.1).toFixed(6), '1100.000000');
});

test('back-off doubles from the first wait to the longest, and is at most halved', () => {
  fc.assert(
    fc.property(
      fractions,
      fc.nat(10_000),
      fc.integer({ min: 1, max: 60_000 }),
      (fraction, failures, first) => {
        const cap = 120_000;
        const wait = backoff(steadyRandom(fraction), failures, first, cap);
        const full = Math.min(cap, first * 2 ** failures);
        assert.ok(wait >= full / 2 && wait <= full, `${wait} of ${full}`);
      },
    ),
  );
  const longest = [0, 1, 2, 3, 10].map(failures => backoff(steadyRandom(1), failures, 1_000, 5_000));
  assert.deepEqual(longest, [1_000, 2_000, 4_000, 5_000, 5_000]);
});

test("the system's randomness has fractions of all sizes below 1, and different ids", () => {
  const draws = Array.from({ length: 1000 }, () => systemRandom.fraction());
  assert.ok(draws.every(draw => draw >= 0 && draw < 1));
  assert.ok(draws.some(draw => draw < 0.2) && draws.some(draw => draw > 0.8));
  const ids = new Set(Array.from({ length: 1000 }, () => systemRandom.uuid()));
  assert.equal(ids.size, 1000);
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
