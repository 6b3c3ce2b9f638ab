// What the plots of a node show.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeHistory } from '../../../agent/protocol/http-history.ts';
import { plotsOf } from '../../../agent/web/node/history.ts';
import { rollRow } from '../../support/roll-rows.ts';

const nothing = { CPU: [null, null], Memory: [null, null], Disk: [null, null] };
const history: NodeHistory = {
  NodeID: 'a',
  Since: '2026-11-29T08:00:00Z',
  TimesMs: [0, 30_000],
  Used: { ...nothing, CPU: [1, 70] },
  Available: { ...nothing, Memory: [null, 5e9] },
  GPUs: [{ Index: 0, Name: 'A100', Memory: [0, 0], Utilisation: [null, 40] }],
};

test('what nothing is known of has no plot', () => {
  const titles = plotsOf(history, rollRow('a')).map(({ title }) => title);
  assert.deepEqual(titles, ['CPU', 'Memory', 'GPU 0 (A100)', 'GPU 0 memory (A100)']);
  assert.deepEqual(plotsOf({ ...history, Used: nothing, Available: nothing, GPUs: [] }, rollRow('a')), []);
});

test('each plot has room for the whole machine and for what was measured, and is never flat', () => {
  const tops = plotsOf(history, rollRow('a')).map(({ top }) => top);
  assert.deepEqual(tops, [70, 512e9, 100, 1]);
});

test('values have their units', () => {
  const texts = plotsOf(history, rollRow('a')).map(({ text }) => text(40));
  assert.deepEqual(texts, ['40', '40 B', '40 %', '42 MB']);
});
