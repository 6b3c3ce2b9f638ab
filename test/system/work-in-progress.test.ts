// Tests the count of work in progress.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkInProgress } from '../../agent/system/work-in-progress.ts';

test('the end is awaited until the last piece of work is done, as often as there is work', async () => {
  const progress = new WorkInProgress();
  await progress.ended();
  for (let round = 0; round < 2; round++) {
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    progress.add(first.promise);
    progress.add(second.promise);
    let hasEnded = false;
    const ended = progress.ended().then(() => {
      hasEnded = true;
    });
    second.resolve();
    await new Promise(setImmediate);
    assert.equal(hasEnded, false);
    first.resolve();
    await ended;
  }
  await progress.ended();
});
