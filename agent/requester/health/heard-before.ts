// Says what a record tells of when its node was last heard, before this requester listened to it.
import type { NodeState } from '../../protocol/node-state.ts';

/**
 * Returns the time in milliseconds since 1970; undefined when the record tells nothing. It tells something of a node that was
 * renamed, of one that went and was brought back, and of one whose record Bacalhau wrote last.
 */
export function heardBefore(state: NodeState, now: Date): number | undefined {
  const { LastSeenAt, UndeletedAt } = state.Muster?.Former ?? {};
  const at =
    state.Muster?.FormerIDs?.[0]?.LastSeenAt ?? ((UndeletedAt && LastSeenAt) || heardByBacalhau(state));
  const time = at ? Date.parse(at) : 0;
  return time > 0 && time <= now.getTime() ? time : undefined;
}

// Bacalhau writes no member of muster. Of a node that it heard to the end, its record says only when the node came, which may
// be weeks ago: such a node would be forgotten for a silence that was none.
const heardByBacalhau = ({ Muster, ConnectionState }: NodeState): string | undefined =>
  !Muster && ConnectionState?.Status === 'DISCONNECTED' ? ConnectionState.LastHeartbeat : undefined;
