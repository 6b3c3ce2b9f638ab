// A stored record is the entry that the node info store has under one node id.
import type { NodeState } from '../../protocol/node-state.ts';

/** A stored record. `revision` is the store revision that a write has to name. */
export type StoredRecord =
  /**
   * There is no node under this id, and there was none that an operator deleted. The revision is 0, or that of the marker
   * of a node that gave way to newer registrations.
   */
  | { kind: 'absent'; revision: number }
  /** The node was deleted. Only a deletion marker is left. `reason` is what the operator gave; it may be absent. */
  | { kind: 'deleted'; revision: number; reason?: string }
  | { kind: 'record'; revision: number; state: NodeState }
  /** The record cannot be read. It is not replaced, and the node does not count as new. */
  | { kind: 'unreadable'; revision: number };

export const absentRecord: StoredRecord = { kind: 'absent', revision: 0 };

/** Returns the reason of the operator who rejected or deleted the node; undefined when there is none. */
export function operatorReasonOf(stored: StoredRecord): string | undefined {
  if (stored.kind === 'deleted') return stored.reason;
  if (stored.kind !== 'record' || stored.state.Membership !== 'REJECTED') return undefined;
  return stored.state.Muster?.Decision?.Reason || undefined;
}

/** Returns the session that the node's messages must name; undefined for a Bacalhau node. */
export const sessionOf = (stored: StoredRecord): string | undefined =>
  stored.kind === 'record' ? stored.state.Muster?.Session : undefined;

/** Returns the random mark of the write that made the record. */
export const operationOf = (stored: StoredRecord): string | undefined =>
  stored.kind === 'record' ? stored.state.Muster?.Operation : undefined;
