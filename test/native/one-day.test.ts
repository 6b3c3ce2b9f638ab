// Tests a day with the real native probe on which the NVIDIA library, the data folder's file system and drivers' files hang.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertNothingLeaked, type Day, dayOf } from '../compute/one-day.ts';
import { newFolder } from '../support/temporary.ts';
import { fakeNvml } from './fake-nvml.ts';
import { hangingFiles } from './hanging-files.ts';
// Builds the addon.
import './probe.ts';

test('on a day of hanging drivers four threads hang, heartbeats go on, and the condition is reported', async () => {
  const folder = await newFolder();
  const hanging = await hangingFiles({
    paths: ['/sys/bus', '/sys/class', '/proc/driver', '/usr', '/opt'],
    sizes: [folder],
    until: join(folder, 'release'),
  });
  const machine = new URL('./hung-machine.ts', import.meta.url);
  const day = await dayOf<Day>(machine, [folder, fakeNvml], { ...hanging, FAKE_NVML: 'gpus=1' });
  assert.equal(day.longestSilenceMs, 15_000, 'every heartbeat is on time');
  assert.match(
    day.conditions.at(-1) ?? '',
    /^GpuDriverUnresponsive: nvml (?:has not answered since 2026-01-01T|hangs in nvmlInit_v2)/,
  );
  assert.ok(
    day.conditions.length <= 6,
    `reported again without a cause:\n${day.conditions.slice(0, 7).join('\n')}`,
  );
  const evening = day.holdings.at(-1);
  assert.deepEqual([evening?.threads['muster-guard'], evening?.threads['muster-worker']], [1, 2]);
  assert.equal(evening?.resources.FSReqPromise, 2);
  assertNothingLeaked(day);
  assert.equal(day.timersLeft, 0);
});
