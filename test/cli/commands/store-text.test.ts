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

test('all streams are one text, in which a server that is late for several is named once', () => {
  const streams = [whole('KV_muster_v1'), whole('KV_node_v1'), whole('NODE_EVENTS')];
  assert.equal(storeText([]), '');
  assert.equal(storeText(streams), 'on 3 servers, all current');
  const late = (stream: string, lag: number) => ({
    ...whole(stream),
    others: [
      { server: 's2', current: false, lag: 0 },
      { server: 's1', current: false, lag },
    ],
  });
  assert.equal(
    storeText([whole('KV_muster_v1'), late('KV_node_v1', 7), late('NODE_EVENTS', 5)]),
    'on 3 servers, away or behind: s1 (7 writes behind), s2',
  );
  const single = { ...whole('NODE_EVENTS'), replicas: 1, others: [] };
  assert.equal(
    storeText([whole('KV_muster_v1'), late('KV_node_v1', 1), single]),
    'muster_v1, node_v1: on 3 servers, away or behind: s1 (1 write behind), s2; NODE_EVENTS: on one server (s0)',
  );
});

test('a stream without a leader and one on a single server say so', () => {
  const away = ['s1', 's2'].map(server => ({ server, current: false, lag: 0 }));
  const leaderless = {
    stream: 'KV_node_v1',
    replicas: 3,
    others: [{ server: 's0', current: true, lag: 0 }, ...away],
  };
  assert.equal(storeText([whole('KV_muster_v1'), leaderless]), 'on 3 servers, no leader, away: s1, s2');
  assert.equal(storeText([{ ...whole('NODE_EVENTS'), replicas: 1, others: [] }]), 'on one server (s0)');
});
