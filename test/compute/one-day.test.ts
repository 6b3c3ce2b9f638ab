// On a day on which the machine answers nothing, the agent goes on, reports it, and leaks nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newFolder } from '../support/temporary.ts';
import { assertNothingLeaked, type Day, dayOf } from './one-day.ts';

test('an agent lives a day with a native probe that never answers and an inventory that never ends', async () => {
  const machine = new URL('./silent-machine.ts', import.meta.url);
  const { asked, ...day } = await dayOf<Day & { asked: object }>(machine, [await newFolder()]);
  assert.deepEqual(asked, { disk: 1, gpusNvml: 1 });
  assert.equal(day.longestSilenceMs, 15_000, 'every heartbeat is on time');
  assert.ok(day.beats >= 5760, `${day.beats} heartbeats`);
  const last = day.conditions.at(-1) ?? '';
  assert.match(last, /^GpuDriverUnresponsive: nvml has not answered since 2026-01-01T/m);
  assert.match(last, /^InventoryStale: /m);
  assert.ok(
    day.conditions.length <= 6,
    `reported again without a cause:\n${day.conditions.slice(0, 7).join('\n')}`,
  );
  assert.deepEqual(day.problems, {
    'the room in the data folder is unknown; the last known figure is reported': 1,
    'the inventory could not be taken; the last one stays in use': 25,
    'a condition of this node came up': 2,
  });
  assertNothingLeaked(day);
  assert.equal(day.timersLeft, 0);
});
