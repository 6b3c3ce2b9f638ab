// Checks what `muster status` says of the servers that store the roll.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeText } from '../../../agent/cli/commands/store-text.ts';

const whole = (stream: string) => ({
  stream,
  replicas: 3,
  leader: 's0',
  others: ['s1', 's2'].map(server => ({ server, current: true, lag: 0 })),
});

test('streams that are alike are one text, and others are named', () => {
  const streams = [whole('KV_muster_v1'), whole('KV_node_v1'), whole('NODE_EVENTS')];
  assert.equal(storeText([]), '');
  assert.equal(storeText(streams), 'on 3 servers, all current');
  const late = { ...whole('KV_node_v1'), others: [{ server: 's1', current: false, lag: 7 }] };
  assert.equal(
    storeText([whole('KV_muster_v1'), late, whole('NODE_EVENTS')]),
    'muster_v1, NODE_EVENTS: on 3 servers, all current; node_v1: on 3 servers, away or behind: s1 (7 behind)',
  );
});

test('a stream without a leader and one on a single server say so', () => {
  const away = ['s1', 's2'].map(server => ({ server, current: false, lag: 0 }));
  const leaderless = {
    stream: 'KV_node_v1',
    replicas: 3,
    others: [{ server: 's0', current: true, lag: 0 }, ...away],
  };
  assert.equal(storeText([leaderless]), 'on 3 servers, no leader, away: s1, s2');
  assert.equal(storeText([{ ...whole('NODE_EVENTS'), replicas: 1, others: [] }]), 'on one server (s0)');
});
