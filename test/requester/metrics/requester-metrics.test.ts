// Tests which figures a requester has while it starts, when it is alone, and when its NATS is a cluster.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requesterMetrics } from '../../../agent/requester/metrics/requester-metrics.ts';
import { newCounters } from '../../../agent/requester/status/counters.ts';
import type { RequesterStatus } from '../../../agent/requester/status/requester-status.ts';

const status: RequesterStatus = {
  role: 'requester',
  node: 'node-0',
  version: '0.1.0',
  pid: 1,
  state: 'starting',
  broker: '',
  trust: 'unknown',
  counters: { ...newCounters(), heartbeats: 7, heartbeatsUnknown: 2 },
};

function valuesOf(more: Partial<RequesterStatus>, isConnected = true): Map<string, number> {
  const metrics = requesterMetrics({
    status: { ...status, ...more },
    counts: undefined,
    late: undefined,
    isConnected,
  });
  const all = metrics.flatMap(({ name, samples }) =>
    samples.map(({ labels = {}, value }): [string, number] => [
      [name, ...Object.values(labels)].join(' '),
      value,
    ]),
  );
  assert.equal(new Set(all.map(([key]) => key)).size, all.length, 'each sample once');
  return new Map(all);
}

test('while it starts, it says so, and says nothing of nodes that it has not read', () => {
  const values = valuesOf({}, false);
  assert.equal(values.get('muster_requester_state starting'), 1);
  assert.equal(values.get('muster_requester_state ready'), 0);
  assert.equal(values.get('muster_broker_connected'), 0);
  assert.deepEqual(
    [...values.keys()].filter(key => /^muster_(nodes|store|requester_watching)/.test(key)),
    [],
  );
});

test('it counts what it received, and tells each trouble once', () => {
  const trouble = { code: 'degraded', text: '', hint: '' } as const;
  const values = valuesOf({ state: 'degraded', watcher: 'node-9', troubles: [trouble, trouble] });
  assert.equal(values.get('muster_requester_heartbeats_total'), 7);
  assert.equal(values.get('muster_requester_heartbeats_ignored_total unknown_node'), 2);
  assert.equal(values.get('muster_requester_watching'), 0);
  assert.equal(values.get('muster_trouble degraded'), 1);
});

test('on a cluster of NATS servers it tells of each stream and each copy', () => {
  const others = [
    { server: 'n2', current: true, lag: 0 },
    { server: 'n3', current: false, lag: 40 },
  ];
  const values = valuesOf({
    store: [
      { stream: 'KV_node_v1', replicas: 3, leader: 'n1', others },
      { stream: 'NODE_EVENTS', replicas: 3, others: [] },
    ],
  });
  assert.equal(values.get('muster_store_has_quorum KV_node_v1'), 1);
  assert.equal(values.get('muster_store_has_quorum NODE_EVENTS'), 0);
  assert.equal(values.get('muster_store_replica_current KV_node_v1 n3'), 0);
  assert.equal(values.get('muster_store_replica_lag_operations KV_node_v1 n3'), 40);
});
