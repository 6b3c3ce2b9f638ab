// Tests the text of figures for Prometheus.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figure, metricsText, stateGauge } from '../../agent/output/metrics.ts';

test('each figure has its help, its type and its samples', async () => {
  const text = await metricsText([
    ...figure('counter', 'muster_x_total', 'Things.', 7),
    ...figure('gauge', 'muster_y', 'Whether it is so.', true),
    ...figure('gauge', 'muster_z', 'Not known.', undefined),
    { type: 'gauge', name: 'muster_none', help: 'None.', samples: [] },
    stateGauge('muster_state', 'The state.', ['a', 'b'] as const, 'b'),
  ]);
  assert.deepEqual(text.trim().split(/\n+/), [
    '# HELP muster_x_total Things.',
    '# TYPE muster_x_total counter',
    'muster_x_total 7',
    '# HELP muster_y Whether it is so.',
    '# TYPE muster_y gauge',
    'muster_y 1',
    '# HELP muster_state The state.',
    '# TYPE muster_state gauge',
    'muster_state{state="a"} 0',
    'muster_state{state="b"} 1',
  ]);
});

test('a label of any text stays one label', async () => {
  const hostile = 'a"} 1\nmuster_forged 1\\';
  const samples = [{ labels: { condition: hostile }, value: 1 }];
  const text = await metricsText([{ type: 'gauge', name: 'muster_c', help: 'C.', samples }]);
  const lines = text.split('\n').filter(line => line && !line.startsWith('#'));
  assert.deepEqual(lines, ['muster_c{condition="a\\"} 1\\nmuster_forged 1\\\\"} 1']);
});
