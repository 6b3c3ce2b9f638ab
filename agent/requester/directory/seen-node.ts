// A seen node is a node on the roll with all that the requester knows of it in memory. Views and rows are made from it.
import type { Health, NodeState } from '../../protocol/node-state.ts';
import type { Conflict } from '../events/conflict-detector.ts';
import type { Liveness } from '../health/health.ts';
import type { ExecutionCounts } from '../roll/executions.ts';
import type { ResourceInfo } from '../roll/resource-store.ts';
import type { DirectoryParts } from './directory-parts.ts';
import { type NodeView, nodeView } from './node-view.ts';

/** A node as it is at one moment. Whatever changes is another object then, except `liveness` and `resources`. */
export interface SeenNode {
  id: string;
  state: NodeState;
  health: Health;
  /** See nodeView. */
  silenceMs: number | undefined;
  liveness: Readonly<Liveness> | undefined;
  /** When it reported its resources last, in milliseconds since 1970. */
  reportedAt: number | undefined;
  /** What it reported then. It is read only when it is asked for. */
  readonly resources: ResourceInfo | undefined;
  conflict: Conflict | undefined;
  pinnedKey: string | undefined;
  watches: boolean;
  executions: ExecutionCounts | undefined;
}

/** Returns what the parts of a requester know of the node with this record. */
export function seenNode(parts: DirectoryParts, state: NodeState): SeenNode {
  const { health, resources, conflicts, keys, lease, executions } = parts;
  const id = state.Info.NodeID;
  return {
    id,
    state,
    health: health.health(id),
    silenceMs: health.silenceMs(id),
    liveness: health.liveness(id),
    reportedAt: resources.reportedAt(id),
    get resources() {
      return resources.get(id);
    },
    conflict: conflicts.latest(id),
    pinnedKey: keys?.keyOf(id),
    watches: lease.holder?.requester === id,
    executions: executions.get(id),
  };
}

/** Returns the node as operators and Bacalhau's tools see it. */
export function viewOf(seen: SeenNode): NodeView {
  const { state, health, silenceMs, liveness, resources, conflict, pinnedKey, watches, executions } = seen;
  return nodeView(state, health, silenceMs, liveness, resources, conflict, pinnedKey, watches, executions);
}
