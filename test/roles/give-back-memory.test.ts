// An agent gives memory back again and again, and the pages of its file once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBackIntervalMs, giveBackMemory } from '../../agent/roles/give-back-memory.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('freed memory is given back in each round until it is stopped, and the program once', async () => {
  const clock = new FakeClock();
  const given: string[] = [];
  const giving = giveBackMemory(clock, {
    giveBackFreed: () => void given.push('freed'),
    giveBackProgram: () => void given.push('program'),
  });
  await clock.advance(giveBackIntervalMs - 1);
  assert.deepEqual(given, []);
  await clock.advance(1);
  assert.deepEqual(given, ['freed', 'program']);
  await clock.advance(2 * giveBackIntervalMs);
  assert.deepEqual(given, ['freed', 'program', 'freed', 'freed']);
  giving.stop();
  await clock.advance(3 * giveBackIntervalMs);
  assert.equal(given.length, 4);
  assert.equal(clock.pending, 0);
});
