// Says when a node was last heard before this requester listened to it, by its record and by what the store has of that.
import { type NodeState, neverConnected } from '../../protocol/node-state.ts';

/**
 * Returns the time in milliseconds since 1970; undefined when nobody knows it. `storedAt` is what an earlier requester of muster
 * stored.
 */
export function heardBefore(state: NodeState, now: Date, storedAt?: number): number | undefined {
  const { LastSeenAt, UndeletedAt } = state.Muster?.Former ?? {};
  const movedAt = state.Muster?.FormerIDs?.[0]?.LastSeenAt ?? (UndeletedAt && LastSeenAt);
  const byMuster = storedAt ?? (movedAt ? Date.parse(movedAt) : undefined);
  return state.Muster ? byMuster : heardByBoth(state, now, byMuster);
}

// Bacalhau writes no member of muster, so it wrote this record last. Of a node that it heard to the end, the record says only when
// that came, which may be weeks ago: with this time, the node could be forgotten for a silence that was none.
function heardByBoth(
  { ConnectionState = neverConnected }: NodeState,
  now: Date,
  byMuster: number | undefined,
): number | undefined {
  const time = Date.parse(ConnectionState.LastHeartbeat);
  const isTold = time > 0 && time <= now.getTime() && time > (byMuster ?? 0);
  if (!isTold) return byMuster;
  return ConnectionState.Status === 'DISCONNECTED' ? time : undefined;
}
