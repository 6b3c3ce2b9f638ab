// So many windows read at once that each of them can still ask something, and a place is free when its window is done.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Locks, mostWindows, takePlace } from '../../../agent/web/feed/place-of-window.ts';
import { eventually } from '../../support/eventually.ts';

/** The locks of a browser: one that is held is given to nobody else. */
function fakeLocks() {
  const held = new Set<string>();
  const request: Locks['request'] = async (name, _, work) => {
    if (held.has(name)) return work(null);
    held.add(name);
    await work({ name });
    held.delete(name);
  };
  return { held, locks: { request } };
}

test('there are places for some windows, and one for another when one of them is done', async () => {
  const { held, locks } = fakeLocks();
  const windows = Array.from({ length: mostWindows }, () => new AbortController());
  for (const { signal } of windows) assert.equal(await takePlace(signal, locks), true);
  const next = new AbortController();
  assert.equal(await takePlace(next.signal, locks), false);
  windows[2]?.abort();
  await eventually('a place is free', () => held.size === mostWindows - 1);
  assert.equal(await takePlace(next.signal, locks), true);
  assert.equal(await takePlace(new AbortController().signal, locks), false);
});

test('a window that is done before it has its place keeps none', async () => {
  const { held, locks } = fakeLocks();
  assert.equal(await takePlace(AbortSignal.abort(), locks), true);
  await eventually('the place is free', () => held.size === 0);
});

test('where the browser gives no locks, each window reads', async () => {
  const locks = { request: async () => Promise.reject(new Error('no locks here')) };
  assert.equal(await takePlace(new AbortController().signal, locks), true);
});
