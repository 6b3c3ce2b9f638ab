// An inventory that could not be taken is tried again soon, because a machine may be busy while it starts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScanSchedule } from '../../../agent/compute/survey/scan-schedule.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const minuteMs = 60_000;

test('an inventory that fails is tried again after a minute, and then hourly as before', async () => {
  const clock = new FakeClock();
  const takenAtMinutes: number[] = [];
  const fails = new Set([0, 1, 61, 121]);
  const survey = {
    takeInventory: async () => {
      const minute = clock.monotonic() / minuteMs;
      takenAtMinutes.push(minute);
      return !fails.has(minute);
    },
    scanGpus: async () => undefined,
  };
  const schedule = new ScanSchedule({ survey, clock, log: silentLog });
  schedule.start();
  await clock.advance(300 * minuteMs);
  assert.deepEqual(takenAtMinutes, [0, 1, 61, 121, 181, 241]);
  fails.add(301);
  await clock.advance(minuteMs);
  schedule.stop();
  await clock.advance(300 * minuteMs);
  assert.deepEqual(takenAtMinutes, [0, 1, 61, 121, 181, 241, 301]);
  assert.equal(clock.pending, 0);
});
