// A day on which nothing that the agent asks of its machine is ever answered: it goes on, tells of it, and piles nothing up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newFolder } from '../support/temporary.ts';
import { assertNothingPiledUp, type Day, dayOf } from './one-day.ts';

test('with a native probe that never answers, and an inventory that never ends', async () => {
  const machine = new URL('./silent-machine.ts', import.meta.url);
  const { asked, ...day } = await dayOf<Day & { asked: object }>(machine, [await newFolder()]);
  assert.deepEqual(asked, { disk: 1, gpusNvml: 1 });
  assert.equal(day.longestSilence, 15_000, 'a heartbeat at each of its times');
  assert.ok(day.beats >= 5760, `${day.beats} heartbeats`);
  const told = day.conditions.at(-1) ?? '';
  assert.match(told, /^GpuDriverUnresponsive: nvml has not answered since 2026-01-01T/m);
  assert.match(told, /^InventoryStale: /m);
  assert.ok(day.conditions.length <= 6, `told anew without cause:\n${day.conditions.slice(0, 7).join('\n')}`);
  assert.deepEqual(day.complaints, {
    'the room in the data folder is unknown; what it was is told': 1,
    'the inventory could not be taken; what is known stays in use': 24,
    'a condition of this node came up': 2,
  });
  assertNothingPiledUp(day);
  assert.equal(day.timersLeft, 0);
});
