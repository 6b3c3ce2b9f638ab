// A stored record is what the node info store holds under one node id.
import type { NodeState } from '../../protocol/node-state.ts';

/** `revision` is the store revision that a write has to name. */
export type StoredRecord =
  /** Nothing was ever written under this id. */
  | { kind: 'absent'; revision: 0 }
  /** The node was deleted; a marker is left. */
  | { kind: 'deleted'; revision: number }
  | { kind: 'record'; revision: number; state: NodeState }
  /** There is a record that cannot be read. It is not replaced, and it does not count as absent. */
  | { kind: 'unreadable'; revision: number };

export const absentRecord: StoredRecord = { kind: 'absent', revision: 0 };

/** The session that the node's messages have to name; undefined for a Bacalhau node. */
export const sessionOf = (stored: StoredRecord): string | undefined =>
  stored.kind === 'record' ? stored.state.Muster?.Session : undefined;

/** The random mark of the write that made the record. */
export const operationOf = (stored: StoredRecord): string | undefined =>
  stored.kind === 'record' ? stored.state.Muster?.Operation : undefined;
