// A listed node is a node as an API shows it, and what follows from its members for whoever reads a list.
import type { MusterView } from './http.ts';
import type { NodeState } from './node-state.ts';

/** A node as an API shows it. A Bacalhau orchestrator sends no member `Muster`. */
export interface ListedNode
  extends Pick<NodeState, 'Info' | 'Membership' | 'Connection' | 'ConnectionState'> {
  Muster?: MusterView | undefined;
}

/** Returns HEALTHY, UNHEALTHY or UNKNOWN. A Bacalhau orchestrator only knows CONNECTED and DISCONNECTED. */
export const statusOf = ({ Muster, Connection }: ListedNode): string => Muster?.Health ?? Connection;

/** Returns whether a requester of muster checks no key of this node. A Bacalhau orchestrator does not tell. */
export const isUnverified = ({ Info, Muster }: ListedNode): boolean =>
  Info.NodeType !== 'Requester' && Muster !== undefined && !Muster.Fingerprint;
