// The heap of a large requester is limited while it is large.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { heapGrowth, limitHeapGrowth } from '../../agent/roles/heap-growth.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('growth is limited while the heap is large, and each change is told to V8 once', async () => {
  const clock = new FakeClock();
  const { limitedFromBytes, percent, checkIntervalMs } = heapGrowth;
  let bytes = limitedFromBytes - 1;
  const told: number[] = [];
  const growth = limitHeapGrowth(clock, {
    usedBytes: () => bytes,
    setGrowth: value => void told.push(value),
  });
  await clock.advance(3 * checkIntervalMs);
  assert.deepEqual(told, [], 'a small heap is left to V8');
  bytes = limitedFromBytes;
  await clock.advance(3 * checkIntervalMs);
  assert.deepEqual(told, [percent]);
  bytes--;
  await clock.advance(3 * checkIntervalMs);
  assert.deepEqual(told, [percent, 0]);
  growth.stop();
  bytes++;
  await clock.advance(3 * checkIntervalMs);
  assert.deepEqual(told, [percent, 0]);
  assert.equal(clock.pending, 0);
});

test('V8 has the option, because it ignores one that it does not know', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--v8-options']);
  assert.match(stdout, /^ *--heap-growing-percent /m);
});
