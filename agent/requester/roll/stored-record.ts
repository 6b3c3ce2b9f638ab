// A stored record is the entry that the node info store has under one node id.
import type { Membership, NodeState, RecordedChange } from '../../protocol/node-state.ts';
import type { Tombstone } from '../../protocol/tombstone.ts';

/** A stored record. `revision` is the store revision that a write has to name. */
export type StoredRecord =
  /**
   * There is no node under this id, and there was none that an operator deleted. The revision is 0, or that of the marker
   * of a node that gave way to newer registrations.
   */
  | { kind: 'absent'; revision: number; incarnation?: string; at?: string; operations?: readonly string[] }
  /**
   * The node was deleted. Only a deletion marker is left. `reason` is what the operator gave, `actor` the operator,
   * `incarnation` that of the store when the marker was written, `at` the time of the deletion (RFC 3339), and `operations`
   * the last operations that decided about the node, `registration` its last one before, `tombstone` what was known of it.
   * Each may be absent.
   */
  | {
      kind: 'deleted';
      revision: number;
      reason?: string;
      actor?: string;
      incarnation?: string;
      at?: string;
      operations?: readonly string[];
      registration?: LastRegistration;
      tombstone?: Tombstone;
    }
  /**
   * An operator gave the node another id, `to`, at the time `at` (RFC 3339). Only a marker is left here. `fingerprint` is that
   * of the key that the node had then.
   */
  | {
      kind: 'renamed';
      revision: number;
      to: string;
      at: string;
      incarnation?: string;
      operations?: readonly string[];
      fingerprint?: string;
    }
  | { kind: 'record'; revision: number; state: NodeState }
  /** The record waits to take the place of the one under the node's former id. Until then it is nobody's. */
  | { kind: 'arriving'; revision: number; state: NodeState }
  /** The record cannot be read. It is not replaced, and the node does not count as new. */
  | { kind: 'unreadable'; revision: number }
  /**
   * The store lost the record, or has an older one with another membership. Only `muster store rebuild` writes it again.
   * `revision` is that of the older record; 0 when there is none.
   */
  | { kind: 'lost'; revision: number; announced: AnnouncedMembership };

/** The last registration of a node: the process that sent it, and its number among those of this process. */
export interface LastRegistration {
  instance: string;
  attempt: number;
}

/** The membership of a node that was announced last. */
export interface AnnouncedMembership {
  /** The membership; empty for a node that was deleted, or that gave way to newer registrations (`expired`). */
  membership: Membership | '';
  /** The kind of the change that gave the node this membership; `updated` when that event is no longer stored. */
  kind: RecordedChange['Kind'];
  /** The reason, the operator and the time (RFC 3339) of that change. The first two are empty when it named none. */
  reason: string;
  actor: string;
  at: string;
  /** The newest write of the record that was announced, and its time (RFC 3339). */
  write: { incarnation: string | undefined; revision: number; at: string };
}

export const absentRecord: StoredRecord = { kind: 'absent', revision: 0 };

/** Returns what a record in the store means. */
export const recordOf = (revision: number, state: NodeState): StoredRecord => ({
  kind: state.Muster?.Arrival ? 'arriving' : 'record',
  revision,
  state,
});

/** Returns whether a record that was arriving has taken the place of the one under the former id of its node. */
export function hasArrived(id: string, { Muster }: NodeState, former: StoredRecord): boolean {
  return former.kind === 'renamed' && former.to === id && former.at === Muster?.FormerIDs?.[0]?.At;
}

/**
 * Returns whether a node has this id, or is about to have it. A record that cannot be read, or that the store lost, is one too.
 */
export const isTaken = ({ kind }: StoredRecord): boolean =>
  kind !== 'absent' && kind !== 'deleted' && kind !== 'renamed';

/** Returns the reason of the operator who rejected or deleted the node; undefined when there is none. */
export function operatorReasonOf(stored: StoredRecord): string | undefined {
  if (stored.kind === 'deleted') return stored.reason;
  if (stored.kind !== 'record' || stored.state.Membership !== 'REJECTED') return undefined;
  return stored.state.Muster?.Decision?.Reason || undefined;
}

/** Returns whether the node was forgotten for its silence. Nobody decided against it, so it may come back by itself. */
export const isForgotten = (stored: StoredRecord): boolean =>
  stored.kind === 'deleted' && stored.tombstone?.Forgotten === true;

/** Returns the session that the node's messages must name; undefined for a Bacalhau node. */
export const sessionOf = (stored: StoredRecord): string | undefined =>
  stored.kind === 'record' ? stored.state.Muster?.Session : undefined;

/** Returns the last registration of a node, also of one that was deleted since; undefined when its agent told no number. */
export function lastRegistrationOf(stored: StoredRecord): LastRegistration | undefined {
  if (stored.kind === 'deleted') return stored.registration;
  const { Instance: instance, Attempt: attempt } = (stored.kind === 'record' && stored.state.Muster) || {};
  return instance === undefined || attempt === undefined ? undefined : { instance, attempt };
}

/** Returns the key that the record says is pinned to the node; undefined when there is none. */
export const keyOf = (stored: StoredRecord): string | undefined =>
  isState(stored) ? stored.state.Muster?.PublicKey : undefined;

/** Returns the last operations that decided about the node, the latest last, as texts of its record or its marker. */
export function operationsOf(stored: StoredRecord): readonly string[] {
  if (isState(stored)) return stored.state.Muster?.Operations ?? [];
  return isMarker(stored) ? (stored.operations ?? []) : [];
}

/** Returns the random mark of the write that made the record. */
export const operationOf = (stored: StoredRecord): string | undefined =>
  isState(stored) ? stored.state.Muster?.Operation : undefined;

/** Returns the incarnation of the store in which the record or the marker was written; undefined when it names none. */
export function incarnationOf(stored: StoredRecord): string | undefined {
  if (isState(stored)) return stored.state.Muster?.Store;
  return isMarker(stored) ? stored.incarnation : undefined;
}

const isState = (stored: StoredRecord) => stored.kind === 'record' || stored.kind === 'arriving';
const isMarker = (stored: StoredRecord) =>
  stored.kind === 'absent' || stored.kind === 'deleted' || stored.kind === 'renamed';
