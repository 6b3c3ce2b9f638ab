// Checks the status line of each role for each of its states.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent.ts';
import type { RequesterStatus } from '../../agent/requester/status/requester-status.ts';
import { agentState, requesterState } from '../../agent/roles/service-state.ts';
import type { ConnectionState } from '../../agent/transport/port.ts';
import { FakeClock } from '../support/fake-clock.ts';

const connected: ConnectionState = { kind: 'connected', server: 'nats://b:4222', version: '2.12.0' };
const lost = (since: number, fault: 'unreachable' | 'unauthorized' = 'unreachable'): ConnectionState => ({
  kind: 'disconnected',
  fault,
  reason: 'nats://b:4222 refuses connections',
  since,
});

const agent = (change: Partial<AgentStatus>): AgentStatus => ({
  role: 'agent',
  node: 'node-1',
  version: '1',
  pid: 7,
  state: 'approved',
  fingerprint: 'ABCD-EFGH',
  broker: '',
  heartbeats: 0,
  ...change,
});

test('the agent is ready when it is connected and registered, or waits for approval', async () => {
  const clock = new FakeClock();
  await clock.advance(100_000);
  const at = (ms: number) => new Date(clock.now().getTime() - ms).toISOString();
  const rows: [Partial<AgentStatus>, ConnectionState, boolean, string][] = [
    [{ state: 'registering' }, { kind: 'connecting' }, false, 'connecting to the broker'],
    [
      { state: 'registering' },
      lost(60_000),
      false,
      'broker unreachable for 40 s, retrying (nats://b:4222 refuses connections)',
    ],
    [
      { state: 'approved' },
      lost(90_000, 'unauthorized'),
      false,
      'no connection to the broker for 10 s, retrying (nats://b:4222 refuses connections)',
    ],
    [{ state: 'registering' }, connected, false, 'registering'],
    [
      { state: 'registering', reason: 'too many nodes wait for approval' },
      connected,
      false,
      'registering: too many nodes wait for approval',
    ],
    [{ state: 'pending' }, connected, true, 'pending approval, fingerprint ABCD-EFGH'],
    [{}, connected, true, 'approved, no heartbeat acknowledged yet'],
    [{ lastAcknowledged: at(3_000) }, connected, true, 'approved, last heartbeat acknowledged 3 s ago'],
    [{ lastAcknowledged: at(119_000) }, connected, true, 'approved, last heartbeat acknowledged 119 s ago'],
    [{ lastAcknowledged: at(179_000) }, connected, true, 'approved, last heartbeat acknowledged 2 min ago'],
    [{ lastAcknowledged: at(7_300_000) }, connected, true, 'approved, last heartbeat acknowledged 2 h ago'],
    [
      { lastAcknowledged: at(200_000_000) },
      connected,
      true,
      'approved, last heartbeat acknowledged 2 days ago',
    ],
    // The clock was set back.
    [{ lastAcknowledged: at(-60_000) }, connected, true, 'approved, last heartbeat acknowledged 0 s ago'],
    [
      { state: 'registered', lastAcknowledged: at(0) },
      connected,
      true,
      'registered, last heartbeat acknowledged 0 s ago',
    ],
    [{ state: 'rejected', reason: 'not ours' }, connected, false, 'rejected: not ours'],
    [{ state: 'rejected' }, connected, false, 'rejected'],
    [{ state: 'deleted' }, connected, false, 'deleted; register again with: muster agent register'],
  ];
  for (const [change, connection, ready, text] of rows) {
    const told = { status: agent(change), connection, stalled: undefined, clock };
    assert.deepEqual(agentState(told), { ready, text, stalled: undefined });
  }
  const told = { status: agent({}), connection: connected, stalled: 'heartbeats', clock };
  assert.equal(agentState(told).stalled, 'heartbeats');
});

test('the requester is ready when it answers nodes, and shows how many there are', async () => {
  const clock = new FakeClock();
  await clock.advance(100_000);
  const nodes = { total: 3, pending: 1, unreadable: 0 };
  const rows: [Partial<RequesterStatus>, ConnectionState, boolean, string][] = [
    [
      { state: 'starting', reason: 'waiting for the lease' },
      connected,
      false,
      'starting (waiting for the lease)',
    ],
    [
      { state: 'starting', reason: 'waiting for the broker' },
      lost(60_000),
      false,
      'broker unreachable for 40 s, retrying (nats://b:4222 refuses connections)',
    ],
    [{ nodes }, connected, true, 'ready, 3 nodes, 1 pending approval'],
    [
      { nodes: { total: 1, pending: 0, unreadable: 2 } },
      connected,
      true,
      'ready, 1 node, 0 pending approval, 2 unreadable',
    ],
    [
      { state: 'degraded', reason: 'the broker does not return our own messages', nodes },
      connected,
      true,
      'degraded (the broker does not return our own messages), 3 nodes, 1 pending approval',
    ],
    [
      { state: 'degraded', reason: 'the connection to the broker is lost', nodes },
      lost(99_000),
      true,
      'broker unreachable for 1 s, retrying (nats://b:4222 refuses connections); 3 nodes, 1 pending approval',
    ],
  ];
  for (const [change, connection, ready, text] of rows) {
    const status = { role: 'requester', state: 'ready', eventsWaiting: 3, ...change } as RequesterStatus;
    assert.deepEqual(requesterState({ status, connection, stalled: undefined, clock }), {
      ready,
      text,
      stalled: undefined,
    });
  }
});
