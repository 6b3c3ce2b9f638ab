// Computes the state of each role for the service manager: whether it is ready, and a status line.
import type { AgentStatus } from '../compute/agent-status.ts';
import { agoText } from '../protocol/unit-text.ts';
import type { RequesterStatus } from '../requester/status/requester-status.ts';
import type { RoleState } from '../service/notifier.ts';
import type { Clock } from '../system/clock.ts';
import type { Trouble } from '../system/trouble.ts';
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

/**
 * Returns the state of the agent. It is ready when it is connected, and is registered or waits for approval. `isAccepted`
 * says that a requester has accepted the node, even if it refuses the node's reports now.
 */
export function agentState(sources: StateSources<AgentStatus> & { isAccepted: boolean }): RoleState {
  const { status, connection, stalled, isAccepted, clock } = sources;
  const text = troubleText(status.troubles?.[0]) ?? connectingText(connection) ?? agentText(status, clock);
  return { ready: isAccepted && connection.kind === 'connected', text, stalled };
}

/** Returns the state of the requester. It is ready when it has read the roll and answers nodes. */
export function requesterState(sources: StateSources<RequesterStatus>): RoleState {
  const { status, connection, stalled } = sources;
  const ready = status.state === 'ready' || status.state === 'degraded';
  const trouble = troubleText(status.troubles?.[0]) ?? connectingText(connection);
  const nodes = nodesText(status);
  const text = trouble
    ? [trouble, nodes.join(', ')].filter(Boolean).join('; ')
    : [requesterText(status), ...nodes].join(', ');
  return { ready, text, stalled };
}

/** Returns a trouble on one line. After a rejection or deletion the line also says what to do, because only people can. */
function troubleText(trouble: Trouble | undefined): string | undefined {
  if (trouble?.code !== 'rejected' && trouble?.code !== 'deleted') return trouble?.text;
  return `${trouble.text}; ${trouble.hint}`;
}

function connectingText(connection: ConnectionState): string | undefined {
  return connection.kind === 'connecting' ? 'connecting to the broker' : undefined;
}

function agentText({ state, reason, fingerprint, lastAcknowledged }: AgentStatus, clock: Clock): string {
  if (state === 'pending') return `pending approval, fingerprint ${fingerprint}`;
  if (state === 'approved' || state === 'registered') {
    const acknowledged = lastAcknowledged
      ? `last heartbeat acknowledged ${ago(lastAcknowledged, clock)}`
      : 'no heartbeat acknowledged yet';
    return `${state}, ${acknowledged}`;
  }
  return reason ? `${state}: ${reason}` : state;
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
