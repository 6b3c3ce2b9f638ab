// One report's schedule: when it goes out, that it never doubles, and that none waits for another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Report, reportJitter, reportPatience } from '../../../agent/compute/reports/report.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { seededRandom, steadyRandom } from '../../support/steady-random.ts';

interface Bench {
  clock: FakeClock;
  report: Report;
  /** When each was sent. */
  sent: number[];
  /** Milliseconds; may be set. */
  interval: number;
  /** Milliseconds that each takes; may be set. */
  takes: number;
  /** How many were in flight at the most. */
  atOnce: number;
}

function bench(random = steadyRandom(0.5), clock = new FakeClock()): Bench {
  const sent: number[] = [];
  let inFlight = 0;
  const made: Bench = {
    clock,
    sent,
    interval: 1_000,
    takes: 0,
    atOnce: 0,
    report: new Report({
      clock,
      random,
      interval: () => made.interval,
      async send() {
        sent.push(clock.monotonic());
        made.atOnce = Math.max(made.atOnce, ++inFlight);
        if (made.takes > 0) await new Promise<void>(resolve => clock.after(made.takes, resolve));
        inFlight--;
      },
    }),
  };
  return made;
}

test('the first goes out now, or after one interval; the others one interval apart', async () => {
  for (const [first, expected] of [
    ['now', [0, 1_000, 2_000, 3_000]],
    ['later', [1_000, 2_000, 3_000]],
  ] as const) {
    const { report, sent, clock } = bench();
    assert.equal(report.running, false);
    report.start(first);
    report.start('now');
    assert.equal(report.running, true);
    await clock.advance(3_000);
    assert.deepEqual(sent, expected);
  }
});

test('each wait is drawn anew, within a tenth of the interval either way', async () => {
  for (const [fraction, step] of [
    [0, 900],
    [1, 1_100],
  ] as const) {
    const { report, sent, clock } = bench(steadyRandom(fraction));
    report.start('later');
    await clock.advance(step * 3);
    assert.deepEqual(sent.map(Math.round), [step, step * 2, step * 3]);
  }
  assert.equal(reportJitter, 0.1);
  const { report, sent, clock } = bench(seededRandom(7));
  report.start('now');
  await clock.advance(200_000);
  const gaps = sent.slice(1).map((at, index) => at - (sent[index] ?? 0));
  assert.ok(
    gaps.every(gap => gap >= 900 && gap < 1_100),
    String(gaps),
  );
  assert.ok(Math.min(...gaps) < 920 && Math.max(...gaps) > 1_080, 'the whole range is used');
});

test('a slow one is not joined by a second: its turns are left out', async () => {
  const made = bench();
  made.takes = 2_500;
  made.report.start('now');
  await made.clock.advance(10_000);
  assert.deepEqual(made.sent, [0, 3_000, 6_000, 9_000]);
  assert.equal(made.atOnce, 1);
});

test('one that never ends keeps the schedule, and sends no more', async () => {
  const made = bench();
  made.takes = Number.POSITIVE_INFINITY;
  made.report.start('now');
  await made.clock.advance(100_000);
  assert.deepEqual([made.sent, made.report.running], [[0], true]);
});

test('reports do not wait for each other', async () => {
  const clock = new FakeClock();
  const slow = bench(steadyRandom(), clock);
  const quick = bench(steadyRandom(), clock);
  slow.takes = Number.POSITIVE_INFINITY;
  for (const { report } of [slow, quick]) report.start('now');
  await clock.advance(5_000);
  assert.deepEqual([slow.sent.length, quick.sent.length], [1, 6]);
});

test('now: beside the schedule, which goes on as it was', async () => {
  const { report, sent, clock } = bench();
  report.start('later');
  await clock.advance(400);
  report.now();
  await clock.advance(1_600);
  assert.deepEqual(sent, [400, 1_000, 2_000]);
});

test('now, while one is in flight: once more when that is done, however often it is asked', async () => {
  const made = bench();
  made.takes = 300;
  made.report.start('now');
  await made.clock.advance(100);
  for (let n = 0; n < 5; n++) made.report.now();
  await made.clock.advance(900);
  assert.deepEqual(made.sent, [0, 300, 1_000]);
  assert.equal(made.atOnce, 1);
});

test('rescheduling starts the wait anew, with the interval of now', async () => {
  const made = bench();
  made.report.start('now');
  made.interval = 100_000;
  await made.clock.advance(1_500);
  assert.deepEqual(made.sent, [0, 1_000], 'without it, the running wait stays');
  made.interval = 200;
  made.report.reschedule();
  await made.clock.advance(500);
  assert.deepEqual(made.sent, [0, 1_000, 1_700, 1_900]);
});

test('a stopped one sends nothing, wants no more, and may start again', async () => {
  const made = bench();
  made.takes = 300;
  made.report.start('now');
  made.report.now();
  made.report.stop();
  made.report.reschedule();
  assert.equal(made.report.running, false);
  await made.clock.advance(10_000);
  assert.deepEqual(made.sent, [0]);
  assert.equal(made.clock.pending, 0);
  made.report.start('now');
  await made.clock.advance(1_000);
  assert.deepEqual(made.sent, [0, 10_000, 11_000]);
});

test('whatever is asked of it when, one is in flight at most, and the schedule stays alive', async () => {
  const commands = fc.constantFrom('now', 'reschedule', 'stop', 'start', 'wait');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(commands, fc.nat(3_000)), { maxLength: 40 }),
      fc.nat(),
      async (steps, seed) => {
        const made = bench(seededRandom(seed));
        made.takes = 700;
        for (const [command, wait] of steps) {
          if (command === 'now') made.report.now();
          else if (command === 'reschedule') made.report.reschedule();
          else if (command === 'stop') made.report.stop();
          else if (command === 'start') made.report.start('now');
          await made.clock.advance(wait);
        }
        assert.ok(made.atOnce <= 1);
        made.report.start('later');
        const before = made.sent.length;
        await made.clock.advance(3_000);
        assert.ok(made.sent.length > before, 'it goes on');
        made.report.stop();
        await made.clock.advance(2_000);
        assert.equal(made.clock.pending, 0);
      },
    ),
    { numRuns: 60 },
  );
});

test('it has stalled when its turn never comes, and not while it is slow, late with all the rest, or stopped', async () => {
  const { clock } = bench();
  let lost = false;
  // A timer that is lost is the end of a schedule: nothing else would notice.
  const lossy = {
    monotonic: () => clock.monotonic(),
    now: () => clock.now(),
    after: (delay: number, fn: () => void) => (lost ? { cancel: () => undefined } : clock.after(delay, fn)),
  };
  const report = new Report({
    clock: lossy,
    random: steadyRandom(0.5),
    interval: () => 60_000,
    send: async () => undefined,
  });
  assert.equal(report.stalled, false);
  report.start('now');
  await clock.advance(3_600_000);
  assert.equal(report.stalled, false);
  await clock.stall(3_600_000);
  assert.equal(report.stalled, false);
  lost = true;
  await clock.advance(60_000 + 60_000 + reportPatience);
  assert.equal(report.stalled, false);
  await clock.advance(1);
  assert.equal(report.stalled, true);
  lost = false;
  report.reschedule();
  assert.equal(report.stalled, false);
  report.stop();
  await clock.advance(3_600_000);
  assert.equal(report.stalled, false);
});

test('it has stalled when what it sends never ends', async () => {
  const made = bench();
  made.takes = reportPatience;
  made.report.start('now');
  for (let turn = 0; turn < 10; turn++) {
    await made.clock.advance(reportPatience / 2);
    assert.equal(made.report.stalled, false);
  }
  made.takes = 3_600_000;
  await made.clock.advance(3 * reportPatience);
  assert.equal(made.report.stalled, true);
});
