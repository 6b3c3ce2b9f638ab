// A seen node is a node on the roll with all that the requester knows of it in memory. Views and rows are made from it.
import type { Health, NodeState } from '../../protocol/node-state.ts';
import type { Conflict } from '../events/conflict-detector.ts';
import { silenceAt } from '../health/liveness.ts';
import type { ExecutionCounts } from '../roll/executions.ts';
import type { ResourceInfo } from '../roll/resource-store.ts';
import type { DirectoryParts } from './directory-parts.ts';
import { type NodeView, nodeView, type SeenLiveness } from './node-view.ts';

/** A node as it is at one moment, except `resources`. */
export type SeenNode = Pick<NodeInMemory, keyof NodeInMemory>;

/** Returns what the parts of a requester know of the node with this record. */
export const seenNode = (parts: DirectoryParts, state: NodeState): SeenNode => new NodeInMemory(parts, state);

/** Returns the node as operators and Bacalhau's tools see it. */
export function viewOf(seen: SeenNode): NodeView {
  const { state, health, silenceMs, liveness, resources, conflict, pinnedKey, watches, executions } = seen;
  return nodeView(state, health, silenceMs, liveness, resources, conflict, pinnedKey, watches, executions);
}

// A list makes one of these for each node of the roll at once, and an object literal with a getter costs several times as much.
class NodeInMemory {
  readonly id: string;
  readonly state: NodeState;
  readonly health: Health;
  /** See nodeView. */
  readonly silenceMs: number | undefined;
  readonly liveness: SeenLiveness | undefined;
  /** When it reported its resources last, in milliseconds since 1970. */
  readonly reportedAt: number | undefined;
  readonly conflict: Conflict | undefined;
  readonly pinnedKey: string | undefined;
  readonly watches: boolean;
  readonly executions: ExecutionCounts | undefined;
  readonly #resources: DirectoryParts['resources'];

  constructor({ health, resources, conflicts, keys, lease, executions }: DirectoryParts, state: NodeState) {
    const id = state.Info.NodeID;
    const liveness = health.liveness(id);
    // Health and silence are of one moment. To read the clock costs as much as to find the node.
    const now = health.listeningMs();
    this.id = id;
    this.state = state;
    this.health = liveness ? health.healthAt(liveness, now) : 'UNKNOWN';
    this.silenceMs = liveness && silenceAt(liveness, now);
    this.liveness = liveness && {
      lastSeenAt: liveness.lastSeenAt,
      healthySince: liveness.healthySince,
      silentSince: liveness.silentSince,
      left: liveness.left,
    };
    this.reportedAt = resources.reportedAt(id);
    this.conflict = conflicts.latest(id);
    this.pinnedKey = keys?.keyOf(id);
    this.watches = lease.holder?.requester === id;
    this.executions = executions.get(id);
    this.#resources = resources;
  }

  /** What it reported last. It is read only when it is asked for. */
  get resources(): ResourceInfo | undefined {
    return this.#resources.get(this.id);
  }
}
