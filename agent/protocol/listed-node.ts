// A listed node is a node as an API shows it, and what follows from its members for whoever reads a list.
import type { MusterView } from './http.ts';
import type { NodeInfo } from './node-info.ts';
import type { NodeState } from './node-state.ts';

/** What the plain list reads of a node. */
export interface BriefNode extends Pick<NodeState, 'Membership' | 'Connection' | 'ConnectionState'> {
  Info: Pick<NodeInfo, 'NodeID' | 'NodeType' | 'Hostname' | 'Conditions'>;
  Muster?:
    | (Pick<MusterView, 'Health' | 'Silence' | 'Conflict' | 'Cordon' | 'Watches'> & {
        /** Only whether there is one is read. */
        Fingerprint?: string | true | undefined;
      })
    | undefined;
}

/** A node as an API shows it. A Bacalhau orchestrator sends no member `Muster`. */
export interface ListedNode
  extends Pick<NodeState, 'Info' | 'Membership' | 'Connection' | 'ConnectionState'> {
  Muster?: MusterView | undefined;
}

/**
 * Returns HEALTHY, UNHEALTHY or UNKNOWN. A Bacalhau orchestrator only knows CONNECTED and DISCONNECTED. Up to 1.4 it calls itself
 * DISCONNECTED, because it hears no heartbeats of its own; then nothing is returned.
 */
export function statusOf({ Info, Muster, Connection }: BriefNode): string {
  if (!Muster && Info.NodeType === 'Requester' && Connection === 'DISCONNECTED') return '';
  return Muster?.Health ?? Connection;
}

/** Returns whether a requester of muster checks no key of this node. A Bacalhau orchestrator does not tell. */
export const isUnverified = ({ Info, Muster }: BriefNode): boolean =>
  Info.NodeType !== 'Requester' && Muster !== undefined && !Muster.Fingerprint;

/** Whether a node was heard as it should be. */
export const isAlive = ({ Muster, Connection }: BriefNode): boolean =>
  Muster ? Muster.Health === 'HEALTHY' : Connection === 'CONNECTED';

/** How much a node runs, and when it said so; the time is not known from a Bacalhau orchestrator. */
export interface ListedExecutions {
  running: number;
  waiting: number;
  at: string | undefined;
}

/** Returns what a node said last that it runs; undefined when it has not said it, as soon after the start of the requester. */
export function executionsOf({ Info, Muster }: ListedNode): ListedExecutions | undefined {
  const { ExecutionEngines, RunningExecutions: running, EnqueuedExecutions: waiting } = Info.ComputeNodeInfo;
  const at = Muster?.Executions?.At;
  const isTold = Muster ? at !== undefined : (ExecutionEngines?.length ?? 0) > 0;
  return isTold ? { running, waiting, at } : undefined;
}
