// What a service manager is told of each role: whether it is ready, and one line of status.
import type { AgentStatus } from '../compute/agent.ts';
import type { RequesterStatus } from '../requester/status/requester-status.ts';
import type { RoleState } from '../service/notifier.ts';
import type { Clock } from '../system/clock.ts';
import type { ConnectionState } from '../transport/port.ts';

/** Before a role has got so far as to have a status. */
export const starting: RoleState = { ready: false, text: 'starting' };

/** What both roles are told by: their own status, the state of their connection, and what has stalled. */
export interface StateSources<Status> {
  status: Status;
  connection: ConnectionState;
  stalled: string | undefined;
  clock: Clock;
}

/** Ready once it is connected, and registered or waiting for approval. */
export function agentState(told: StateSources<AgentStatus>): RoleState {
  const { status, connection, stalled } = told;
  const { state } = status;
  const accepted = state === 'pending' || state === 'approved' || state === 'registered';
  const text = brokerText(connection, told.clock) ?? agentText(status, told.clock);
  return { ready: accepted && connection.kind === 'connected', text, stalled };
}

/** Ready once it has read the roll and answers nodes. */
export function requesterState(told: StateSources<RequesterStatus>): RoleState {
  const { status, connection, stalled } = told;
  const ready = status.state === 'ready' || status.state === 'degraded';
  const away = brokerText(connection, told.clock);
  const nodes = nodesText(status);
  const text = away
    ? [away, nodes.join(', ')].filter(Boolean).join('; ')
    : [requesterText(status), ...nodes].join(', ');
  return { ready, text, stalled };
}

function brokerText(connection: ConnectionState, clock: Clock): string | undefined {
  if (connection.kind === 'connecting') return 'connecting to the broker';
  if (connection.kind !== 'disconnected') return undefined;
  const { fault, reason, since } = connection;
  const what = fault === 'unreachable' ? 'broker unreachable' : 'no connection to the broker';
  return `${what} for ${duration(clock.monotonic() - since)}, retrying (${reason})`;
}

function agentText({ state, reason, fingerprint, lastAcknowledged }: AgentStatus, clock: Clock): string {
  const why = reason ? `: ${reason}` : '';
  switch (state) {
    case 'registering':
      return `registering${why}`;
    case 'pending':
      return `pending approval, fingerprint ${fingerprint}`;
    case 'approved':
    case 'registered':
      return `${state}, ${lastAcknowledged ? `last heartbeat acknowledged ${ago(lastAcknowledged, clock)}` : 'no heartbeat acknowledged yet'}`;
    case 'rejected':
      return `rejected${why}`;
    case 'deleted':
      return 'deleted; register again with: muster agent register';
  }
}

function requesterText({ state, reason }: RequesterStatus): string {
  return reason ? `${state} (${reason})` : state;
}

function nodesText({ nodes }: RequesterStatus): string[] {
  if (!nodes) return [];
  const { total, pending, unreadable } = nodes;
  const told = [`${total} ${total === 1 ? 'node' : 'nodes'}`, `${pending} pending approval`];
  return unreadable ? [...told, `${unreadable} unreadable`] : told;
}

const ago = (time: string, clock: Clock): string =>
  `${duration(clock.now().getTime() - Date.parse(time))} ago`;

/** `3 s`, `5 min`, `7 h`, `3 days`: of milliseconds. */
function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
