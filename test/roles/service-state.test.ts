// Checks the status line of each role for each of its states.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import type { RequesterStatus } from '../../agent/requester/status/requester-status.ts';
import { agentState, requesterState } from '../../agent/roles/service-state.ts';
import type { Trouble, TroubleCode } from '../../agent/system/trouble.ts';
import type { ConnectionState } from '../../agent/transport/port.ts';
import { FakeClock } from '../support/fake-clock.ts';

const connected: ConnectionState = {
  kind: 'connected',
  server: 'nats://b:4222',
  version: '2.12.0',
  isEncrypted: true,
};
const lost = (since: number): ConnectionState => ({
  kind: 'disconnected',
  fault: 'unreachable',
  reason: 'nats://b:4222 refuses connections',
  since,
});

const trouble = (code: TroubleCode, text: string): Trouble => ({ code, text, hint: 'do this' });

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
      { troubles: [trouble('broker_away', 'broker unreachable for 40 s')] },
      lost(60_000),
      false,
      'broker unreachable for 40 s',
    ],
    [
      { troubles: [trouble('requester_silent', 'no answer'), trouble('stalled', 'more')] },
      connected,
      true,
      'no answer',
    ],
    [{ state: 'registering' }, connected, false, 'registering'],
    [{ state: 'registering', reason: 'unknown here' }, connected, false, 'registering: unknown here'],
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
    [
      { state: 'rejected', troubles: [trouble('rejected', 'an operator rejected it')] },
      connected,
      false,
      'an operator rejected it; do this',
    ],
    [
      { state: 'deleted', troubles: [trouble('deleted', 'an operator deleted it')] },
      connected,
      false,
      'an operator deleted it; do this',
    ],
    [{ state: 'refused', troubles: [trouble('refused', 'it is full')] }, connected, false, 'it is full'],
  ];
  for (const [change, connection, ready, text] of rows) {
    const isAccepted = /^(pending|approved|registered)$/.test(change.state ?? 'approved');
    const sources = { status: agent(change), isAccepted, connection, stalled: undefined, clock };
    assert.deepEqual(agentState(sources), { ready, text, stalled: undefined });
  }
  const sources = {
    status: agent({}),
    isAccepted: true,
    connection: connected,
    stalled: 'heartbeats',
    clock,
  };
  assert.equal(agentState(sources).stalled, 'heartbeats');
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
    [{ state: 'starting' }, { kind: 'connecting' }, false, 'connecting to the broker'],
    [
      {
        state: 'starting',
        reason: 'waiting for the broker',
        troubles: [trouble('broker_away', 'broker unreachable for 40 s')],
      },
      lost(60_000),
      false,
      'broker unreachable for 40 s',
    ],
    [{ nodes }, connected, true, 'ready, 3 nodes, 1 pending approval'],
    [
      { nodes: { total: 1, pending: 0, unreadable: 2 } },
      connected,
      true,
      'ready, 1 node, 0 pending approval, 2 unreadable',
    ],
    [
      { state: 'degraded', nodes, troubles: [trouble('degraded', 'it cannot tell')] },
      connected,
      true,
      'it cannot tell; 3 nodes, 1 pending approval',
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
