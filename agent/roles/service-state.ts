// Computes the state of each role for the service manager: whether it is ready, and a status line.
import type { AgentStatus } from '../compute/agent.ts';
import { agoText, durationText } from '../output/units.ts';
import type { RequesterStatus } from '../requester/status/requester-status.ts';
import type { RoleState } from '../service/notifier.ts';
import type { Clock } from '../system/clock.ts';
import type { ConnectionState } from '../transport/port.ts';

/** The state of a role that has no status yet. */
export const starting: RoleState = { ready: false, text: 'starting' };

/** The data from which the state of a role is computed. */
export interface StateSources<Status> {
  status: Status;
  connection: ConnectionState;
  stalled: string | undefined;
  clock: Clock;
}

/** Returns the state of the agent. It is ready when it is connected, and is registered or waits for approval. */
export function agentState(sources: StateSources<AgentStatus>): RoleState {
  const { status, connection, stalled } = sources;
  const { state } = status;
  const accepted = state === 'pending' || state === 'approved' || state === 'registered';
  const text = brokerText(connection, sources.clock) ?? agentText(status, sources.clock);
  return { ready: accepted && connection.kind === 'connected', text, stalled };
}

/** Returns the state of the requester. It is ready when it has read the roll and answers nodes. */
export function requesterState(sources: StateSources<RequesterStatus>): RoleState {
  const { status, connection, stalled } = sources;
  const ready = status.state === 'ready' || status.state === 'degraded';
  const away = brokerText(connection, sources.clock);
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
  return `${what} for ${durationText(clock.monotonic() - since)}, retrying (${reason})`;
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
  const texts = [`${total} ${total === 1 ? 'node' : 'nodes'}`, `${pending} pending approval`];
  return unreadable ? [...texts, `${unreadable} unreadable`] : texts;
}

const ago = (time: string, clock: Clock): string => agoText(time, clock.now());
