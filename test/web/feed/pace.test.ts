// The views are told of all changes, once for many of them, and never sooner than a rest after the last time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Pace } from '../../../agent/web/feed/pace.ts';

interface Told {
  at: number;
  /** Number of changes until then. */
  changes: number;
}

/** Lets changes come at these times, in milliseconds, and draws a frame every 16 ms. Returns when the views were told. */
function tellingsOf(times: readonly number[]): Told[] {
  let [now, changes] = [0, 0];
  const told: Told[] = [];
  let due: { at: number; fn(): void }[] = [];
  const pace = new Pace({
    now: () => now,
    after: (delayMs, fn) => due.push({ at: now + delayMs, fn }),
    nextFrame: fn => due.push({ at: Math.floor(now / 16) * 16 + 16, fn }),
    tell: () => told.push({ at: now, changes }),
  });
  const change = () => {
    changes++;
    pace.onChange();
  };
  due = times.map(at => ({ at, fn: change }));
  while (due.length > 0) {
    due.sort((a, b) => a.at - b.at);
    const next = due.shift();
    now = next?.at ?? now;
    next?.fn();
  }
  return told;
}

test('the first change is told in the next frame, and those that follow it after a rest, together', () => {
  assert.deepEqual(tellingsOf([1000]), [{ at: 1008, changes: 1 }]);
  assert.deepEqual(tellingsOf([1000, 1001, 1020, 1100, 1300]), [
    { at: 1008, changes: 2 },
    { at: 1216, changes: 4 },
    { at: 1424, changes: 5 },
  ]);
});

test('each change is told soon, and never more than a few times a second', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 60 }), times => {
      const told = tellingsOf(times);
      assert.equal(told.at(-1)?.changes, times.length);
      for (const [index, { at }] of told.entries())
        if (index > 0) assert.ok(at - (told[index - 1]?.at ?? 0) >= 200);
      for (const time of times) {
        const next = told.find(({ at }) => at >= time);
        assert.ok(next && next.at - time <= 216);
      }
    }),
  );
});
