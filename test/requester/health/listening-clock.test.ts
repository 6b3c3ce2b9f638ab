// Tests the listening clock: which time it counts and which it leaves out, and that it never goes back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ListeningClock } from '../../../agent/requester/health/listening-clock.ts';

const limits = { beatMs: 100, longestHoldMs: 1_000 };

/** Returns a clock on a monotonic time that the test sets. `run` lets time pass while the event loop runs. */
function started(connected = true) {
  const time = { monotonic: 5_000 };
  const clock = new ListeningClock(() => time.monotonic, limits);
  clock.setHearing(connected);
  const run = (ms: number) => {
    for (let left = ms; left > 0; left -= limits.beatMs) {
      time.monotonic += Math.min(left, limits.beatMs);
      clock.beat();
    }
  };
  return { time, clock, run };
}

describe('listening time', () => {
  test('starts at zero and runs with the monotonic clock, between beats too', () => {
    const { time, clock, run } = started();
    assert.equal(clock.now(), 0);
    run(1_234);
    assert.equal(clock.now(), 1_234);
    time.monotonic += 99;
    assert.equal(clock.now(), 1_333);
    assert.equal(clock.skippedMs, 0);
  });

  test('counts the whole time of beats that are a little late', () => {
    const { time, clock } = started();
    time.monotonic += 3 * limits.beatMs - 1;
    assert.equal(clock.beat(), 0);
    time.monotonic += 3 * limits.beatMs;
    assert.equal(clock.beat(), 0);
    assert.equal(clock.now(), 6 * limits.beatMs - 1);
  });

  test('counts three beats of the time in which the event loop did not run', () => {
    const { time, clock, run } = started();
    run(500);
    time.monotonic += 3 * limits.beatMs + 1;
    assert.equal(clock.beat(), 1);
    time.monotonic += 1_000_000;
    assert.equal(clock.now(), 500 + 6 * limits.beatMs);
    assert.equal(clock.beat(), 1_000_000 - 3 * limits.beatMs);
    assert.equal(clock.now(), 500 + 6 * limits.beatMs);
    run(500);
    assert.equal(clock.now(), 1_000 + 6 * limits.beatMs);
  });

  test('stands still without a broker', () => {
    const time = { monotonic: 5_000 };
    const unconnected = new ListeningClock(() => time.monotonic, limits);
    time.monotonic += 50;
    assert.equal(unconnected.now(), 0);
    const { clock, run } = started(false);
    run(3_600_000);
    assert.equal(clock.now(), 0);
    clock.setHearing(true);
    run(10);
    clock.setHearing(false);
    run(3_600_000);
    clock.setHearing(true);
    run(5);
    assert.equal(clock.now(), 15);
    assert.equal(clock.skippedMs, 7_200_000);
  });

  test('stands still during a hold, up to its limit', () => {
    const { clock, run } = started();
    run(100);
    clock.setHolding(true);
    run(limits.longestHoldMs - 1);
    assert.equal(clock.now(), 100);
    assert.equal(clock.holdIsOver, false);
    run(1);
    assert.equal(clock.now(), 100);
    assert.equal(clock.holdIsOver, true);
    run(1);
    assert.equal(clock.now(), 101);
    run(499);
    assert.equal(clock.now(), 600);
  });

  test('limits all holds together until the echo is back', () => {
    const { clock, run } = started();
    for (let i = 0; i < 4; i++) {
      clock.setHolding(true);
      run(250);
      assert.equal(clock.now(), i * 10);
      clock.setHolding(false);
      run(10);
    }
    clock.setHolding(true);
    run(50);
    assert.equal(clock.now(), 90, 'the holds have lasted their time');
    clock.endHolds();
    clock.setHolding(true);
    run(limits.longestHoldMs);
    assert.equal(clock.now(), 90, 'an echo came in between');
  });

  test('does not count a stall or a lost broker as part of a hold', () => {
    const { time, clock, run } = started();
    clock.setHolding(true);
    time.monotonic += 100_000;
    clock.beat();
    clock.setHearing(false);
    run(100_000);
    clock.setHearing(true);
    assert.equal(clock.holdIsOver, false);
    run(limits.longestHoldMs - 3 * limits.beatMs);
    assert.equal(clock.now(), 0);
    run(1);
    assert.equal(clock.now(), 1);
  });

  test('never goes back or runs faster than the monotonic clock, and reports all the time that it leaves out', () => {
    const operation = fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 0, max: 500 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 100_000 }) },
      { weight: 4, arbitrary: fc.constantFrom('beat', 'lost', 'regained', 'hold', 'release', 'echoed') },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80, size: 'max' }), operations => {
        const { time, clock } = started();
        const start = time.monotonic;
        let before = 0;
        let read = start;
        for (const each of operations) {
          if (typeof each === 'number') time.monotonic += each;
          else if (each === 'beat') clock.beat();
          else if (each === 'lost') clock.setHearing(false);
          else if (each === 'regained') clock.setHearing(true);
          else if (each === 'echoed') clock.endHolds();
          else clock.setHolding(each === 'hold');
          const now = clock.now();
          assert.ok(now >= before, `${before} → ${now}`);
          assert.ok(now - before <= time.monotonic - read, `${now - before} in ${time.monotonic - read}`);
          before = now;
          read = time.monotonic;
        }
        clock.beat();
        assert.equal(clock.now() + clock.skippedMs, time.monotonic - start);
      }),
    );
  });
});
