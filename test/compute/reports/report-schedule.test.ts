// Tests the schedule of one report: when it is sent, that two sends never overlap, and when it counts as stalled.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ReportSchedule,
  reportJitter,
  stallTimeoutMs,
} from '../../../agent/compute/reports/report-schedule.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { seededRandom, steadyRandom } from '../../support/steady-random.ts';

interface Bench {
  clock: FakeClock;
  schedule: ReportSchedule;
  /** The time at which each report was sent, in milliseconds. */
  sent: number[];
  /** The settings that the schedule reads; a test may change them. */
  settings: { heartbeatFrequency: number; infoUpdateFrequency: number; resourceUpdateFrequency: number };
  /** Time that each send takes, in milliseconds; a test may change it. */
  sendTimeMs: number;
  /** The largest number of sends that were under way at one time. */
  mostAtOnce: number;
}

function makeBench(random = steadyRandom(0.5), clock = new FakeClock()): Bench {
  const sent: number[] = [];
  const settings = { heartbeatFrequency: 1_000, infoUpdateFrequency: 7, resourceUpdateFrequency: 7 };
  let atOnce = 0;
  const bench: Bench = {
    clock,
    sent,
    settings,
    sendTimeMs: 0,
    mostAtOnce: 0,
    schedule: new ReportSchedule({
      clock,
      random,
      settings,
      frequency: 'heartbeatFrequency',
      report: {
        async send() {
          sent.push(clock.monotonic());
          bench.mostAtOnce = Math.max(bench.mostAtOnce, ++atOnce);
          if (bench.sendTimeMs > 0)
            await new Promise<void>(resolve => clock.after(bench.sendTimeMs, resolve));
          atOnce--;
        },
      },
    }),
  };
  return bench;
}

test('the first report is sent now or after one interval, the others one interval apart', async () => {
  for (const [first, expected] of [
    ['now', [0, 1_000, 2_000, 3_000]],
    ['later', [1_000, 2_000, 3_000]],
  ] as const) {
    const { schedule, sent, clock } = makeBench();
    assert.equal(schedule.isRunning, false);
    schedule.start(first);
    schedule.start('now');
    assert.equal(schedule.isRunning, true);
    await clock.advance(3_000);
    assert.deepEqual(sent, expected);
  }
});

test('a report may be sent without a promise', async () => {
  const clock = new FakeClock();
  let sent = 0;
  const schedule = new ReportSchedule({
    clock,
    random: steadyRandom(0.5),
    settings: makeBench().settings,
    frequency: 'heartbeatFrequency',
    report: { send: () => void sent++ },
  });
  schedule.start('now');
  schedule.sendNow();
  await clock.advance(2_000);
  assert.equal(sent, 4);
});

test('each wait is drawn anew, within a tenth of the interval either way', async () => {
  for (const [fraction, step] of [
    [0, 900],
    [1, 1_100],
  ] as const) {
    const { schedule, sent, clock } = makeBench(steadyRandom(fraction));
    schedule.start('later');
    await clock.advance(step * 3);
    assert.deepEqual(sent.map(Math.round), [step, step * 2, step * 3]);
  }
  assert.equal(reportJitter, 0.1);
  const { schedule, sent, clock } = makeBench(seededRandom(7));
  schedule.start('now');
  await clock.advance(200_000);
  const gaps = sent.slice(1).map((at, index) => at - (sent[index] ?? 0));
  assert.ok(
    gaps.every(gap => gap >= 900 && gap < 1_100),
    String(gaps),
  );
  assert.ok(Math.min(...gaps) < 920 && Math.max(...gaps) > 1_080, 'the whole range is used');
});

test('while a slow report is being sent, turns are left out', async () => {
  const bench = makeBench();
  bench.sendTimeMs = 2_500;
  bench.schedule.start('now');
  await bench.clock.advance(10_000);
  assert.deepEqual(bench.sent, [0, 3_000, 6_000, 9_000]);
  assert.equal(bench.mostAtOnce, 1);
});

test('a send that never ends keeps the schedule running, but no other report is sent', async () => {
  const bench = makeBench();
  bench.sendTimeMs = Number.POSITIVE_INFINITY;
  bench.schedule.start('now');
  await bench.clock.advance(100_000);
  assert.deepEqual([bench.sent, bench.schedule.isRunning], [[0], true]);
});

test('two schedules do not wait for each other', async () => {
  const clock = new FakeClock();
  const slow = makeBench(steadyRandom(), clock);
  const quick = makeBench(steadyRandom(), clock);
  slow.sendTimeMs = Number.POSITIVE_INFINITY;
  for (const { schedule } of [slow, quick]) schedule.start('now');
  await clock.advance(5_000);
  assert.deepEqual([slow.sent.length, quick.sent.length], [1, 6]);
});

test('a report that is sent at once does not move the schedule', async () => {
  const { schedule, sent, clock } = makeBench();
  schedule.start('later');
  await clock.advance(400);
  schedule.sendNow();
  await clock.advance(1_600);
  assert.deepEqual(sent, [400, 1_000, 2_000]);
});

test('however often a report is wanted while one is being sent, one more follows', async () => {
  const bench = makeBench();
  bench.sendTimeMs = 300;
  bench.schedule.start('now');
  await bench.clock.advance(100);
  for (let n = 0; n < 5; n++) bench.schedule.sendNow();
  await bench.clock.advance(900);
  assert.deepEqual(bench.sent, [0, 300, 1_000]);
  assert.equal(bench.mostAtOnce, 1);
});

test('rescheduling begins the wait anew, with the interval of now', async () => {
  const bench = makeBench();
  bench.schedule.start('now');
  bench.settings.heartbeatFrequency = 100_000;
  await bench.clock.advance(1_500);
  assert.deepEqual(bench.sent, [0, 1_000], 'without it, the wait goes on as it began');
  bench.settings.heartbeatFrequency = 200;
  bench.schedule.reschedule();
  await bench.clock.advance(500);
  assert.deepEqual(bench.sent, [0, 1_000, 1_700, 1_900]);
});

test('a stopped schedule sends nothing, not even at once, and may start again', async () => {
  const bench = makeBench();
  bench.sendTimeMs = 300;
  bench.schedule.start('now');
  bench.schedule.sendNow();
  bench.schedule.stop();
  bench.schedule.reschedule();
  bench.schedule.sendNow();
  assert.equal(bench.schedule.isRunning, false);
  await bench.clock.advance(10_000);
  assert.deepEqual(bench.sent, [0]);
  assert.equal(bench.clock.pending, 0);
  bench.schedule.start('now');
  await bench.clock.advance(1_000);
  assert.deepEqual(bench.sent, [0, 10_000, 11_000]);
});

test('a schedule that is stopped and started while a report is being sent does not send a second one beside it', async () => {
  const bench = makeBench();
  bench.sendTimeMs = 300;
  bench.schedule.start('now');
  await bench.clock.advance(100);
  bench.schedule.stop();
  bench.schedule.start('now');
  await bench.clock.advance(500);
  assert.deepEqual(bench.sent, [0, 300]);
  assert.equal(bench.mostAtOnce, 1);
});

test('whatever a schedule is told to do and when, two sends never overlap and the schedule stays alive', async () => {
  const commands = fc.constantFrom('sendNow', 'reschedule', 'stop', 'start', 'wait');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(commands, fc.nat(3_000)), { maxLength: 40 }),
      fc.nat(),
      async (steps, seed) => {
        const bench = makeBench(seededRandom(seed));
        bench.sendTimeMs = 700;
        for (const [command, waitMs] of steps) {
          if (command === 'start') bench.schedule.start('now');
          else if (command !== 'wait') bench.schedule[command]();
          await bench.clock.advance(waitMs);
        }
        assert.ok(bench.mostAtOnce <= 1);
        bench.schedule.start('later');
        const before = bench.sent.length;
        await bench.clock.advance(3_000);
        assert.ok(bench.sent.length > before, 'it still sends');
        bench.schedule.stop();
        await bench.clock.advance(2_000);
        assert.equal(bench.clock.pending, 0);
      },
    ),
    { numRuns: 60 },
  );
});

test('a schedule whose turn never comes has stalled; a slow, late or stopped one has not', async () => {
  const { clock } = makeBench();
  let isTimerLost = false;
  // A schedule ends when its timer is lost, and nothing but the stall would show it.
  const lossyClock = {
    monotonic: () => clock.monotonic(),
    now: () => clock.now(),
    after: (delay: number, fn: () => void) =>
      isTimerLost ? { cancel: () => undefined } : clock.after(delay, fn),
  };
  const schedule = new ReportSchedule({
    clock: lossyClock,
    random: steadyRandom(0.5),
    settings: { ...makeBench().settings, heartbeatFrequency: 60_000 },
    frequency: 'heartbeatFrequency',
    report: { send: async () => undefined },
  });
  assert.equal(schedule.isStalled, false);
  schedule.start('now');
  await clock.advance(3_600_000);
  assert.equal(schedule.isStalled, false);
  await clock.stall(3_600_000);
  assert.equal(schedule.isStalled, false);
  isTimerLost = true;
  await clock.advance(60_000 + 60_000 + stallTimeoutMs);
  assert.equal(schedule.isStalled, false);
  await clock.advance(1);
  assert.equal(schedule.isStalled, true);
  isTimerLost = false;
  schedule.reschedule();
  assert.equal(schedule.isStalled, false);
  schedule.stop();
  await clock.advance(3_600_000);
  assert.equal(schedule.isStalled, false);
});

test('a schedule has stalled when one send never ends', async () => {
  const bench = makeBench();
  bench.sendTimeMs = stallTimeoutMs;
  bench.schedule.start('now');
  for (let turn = 0; turn < 10; turn++) {
    await bench.clock.advance(stallTimeoutMs / 2);
    assert.equal(bench.schedule.isStalled, false);
  }
  bench.sendTimeMs = 3_600_000;
  await bench.clock.advance(3 * stallTimeoutMs);
  assert.equal(bench.schedule.isStalled, true);
});

test('lateness sums the time by which turns came late, and counts those that were late by more than a second', async () => {
  const { schedule, clock } = makeBench();
  schedule.start('later');
  await clock.advance(3_000);
  assert.deepEqual(schedule.lateness, { totalMs: 0, late: 0 });
  // The next turn is due after a second.
  await clock.stall(1_500);
  await clock.advance(1);
  assert.deepEqual(schedule.lateness, { totalMs: 500, late: 0 });
  await clock.stall(6_000);
  await clock.advance(1);
  assert.equal(schedule.lateness.late, 1);
  schedule.stop();
});
