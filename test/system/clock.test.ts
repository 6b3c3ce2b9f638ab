// The system clock works, sleeping ends when it should, and waiting for work has a limit.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { endsWithin, sleep, systemClock } from '../../agent/system/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

async function isDone(work: Promise<void>): Promise<boolean> {
  const open = Symbol('open');
  await new Promise(resolve => setImmediate(resolve));
  return (await Promise.race([work, Promise.resolve(open)])) !== open;
}

test('sleep lasts as long as it was asked to', async () => {
  const clock = new FakeClock();
  const nap = sleep(clock, 1_000);
  await clock.advance(999);
  assert.equal(await isDone(nap), false);
  await clock.advance(1);
  assert.equal(await isDone(nap), true);
});

test('an abort ends a sleep at once, and leaves no timer and no listener', async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const nap = sleep(clock, 1_000, stop.signal);
  assert.equal(clock.pending, 1);
  stop.abort();
  assert.equal(await isDone(nap), true);
  assert.equal(clock.pending, 0);
  assert.equal(await isDone(sleep(clock, 1_000, stop.signal)), true);
  assert.equal(clock.pending, 0);
});

test('many sleeps with one signal leave no listeners behind', async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  for (let round = 0; round < 50; round++) {
    const nap = sleep(clock, 10, signal);
    await clock.advance(10);
    await nap;
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('the system clock never goes back, and its timers fire once unless cancelled', async () => {
  const start = systemClock.monotonic();
  let cancelled = 0;
  systemClock.after(1, () => cancelled++).cancel();
  await new Promise<void>(resolve => systemClock.after(5, resolve));
  assert.ok(systemClock.monotonic() > start);
  assert.equal(cancelled, 0);
  assert.ok(Math.abs(systemClock.now().getTime() - Date.now()) < 60_000);
});

test('a delay that is over already ends at once, and Node warns of nothing', async () => {
  const warnings: string[] = [];
  const note = ({ name }: Error) => warnings.push(name);
  process.on('warning', note);
  await sleep(systemClock, -1);
  await new Promise(resolve => setImmediate(resolve));
  process.off('warning', note);
  assert.deepEqual(warnings, []);
});

test('endsWithin waits for work that ends in time, gives up on other work, and rejects when the work rejects', async () => {
  const clock = new FakeClock();
  assert.equal(await endsWithin(clock, 100, Promise.resolve()), true);
  await assert.rejects(endsWithin(clock, 100, Promise.reject(new Error('failed'))), /failed/);
  const slow = Promise.withResolvers<void>();
  const waiting = endsWithin(clock, 100, slow.promise);
  await clock.advance(100);
  assert.equal(await waiting, false);
  slow.reject(new Error('too late to be heard of'));
  await clock.settle();
  assert.equal(clock.pending, 0);
});
