// Says for how long a node has been silent, as far as the server that shows it knows.
import { zeroTime } from './zero-time.ts';

/** What is read of a node. */
export interface HeardNode {
  Info: { NodeType?: string };
  ConnectionState?: { LastHeartbeat: string } | undefined;
  Muster?: { Silence?: number | undefined } | undefined;
}

/**
 * Returns the time since the last sign of life, in milliseconds; undefined for a node that was never heard, and where it is not
 * known. A silence that began before the start of the requester is known by the wall clock alone, and so is that of a node that left.
 */
export function silenceOf({ Info, ConnectionState, Muster }: HeardNode, now: Date): number | undefined {
  if (Muster?.Silence !== undefined) return Muster.Silence;
  // A requester sends no heartbeats. An orchestrator of Bacalhau has the time of its own start there.
  if (Info.NodeType === 'Requester') return undefined;
  const time = ConnectionState?.LastHeartbeat;
  if (time === undefined || time === zeroTime) return undefined;
  return Math.max(0, now.getTime() - Date.parse(time));
}

/** Whether a node is known to have never been heard. An orchestrator of Bacalhau up to 1.5 does not say when it heard a node. */
export const isNeverHeard = (node: HeardNode): boolean =>
  (node.Muster ?? node.ConnectionState) !== undefined && silenceOf(node, new Date(0)) === undefined;
