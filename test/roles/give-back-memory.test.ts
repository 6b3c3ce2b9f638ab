// An agent gives memory back again and again, and the pages of its file once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBackMemory, giveBackPausesMs } from '../../agent/roles/give-back-memory.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('freed memory is given back after longer and longer pauses until it is stopped, and the program once', async () => {
  const clock = new FakeClock();
  let given: string[] = [];
  const giving = giveBackMemory(clock, () => ({
    giveBackFreed: () => void given.push('freed'),
    giveBackProgram: () => void given.push('program'),
  }));
  const { first, longest } = giveBackPausesMs;
  for (const pauseMs of [first, 2 * first, 4 * first, longest, longest]) {
    given = [];
    await clock.advance(pauseMs - 1);
    assert.deepEqual(given, []);
    await clock.advance(1);
    assert.deepEqual(given, pauseMs === first ? ['freed', 'program'] : ['freed']);
  }
  giving.stop();
  given = [];
  await clock.advance(3 * longest);
  assert.deepEqual(given, []);
  assert.equal(clock.pending, 0);
});

test('without the native probe nothing is given back', async () => {
  const clock = new FakeClock();
  let looks = 0;
  giveBackMemory(clock, () => void looks++);
  assert.equal(looks, 0, 'the start does not look for it');
  await clock.advance(3 * giveBackPausesMs.longest);
  assert.equal(looks, 1);
  assert.equal(clock.pending, 0);
});
