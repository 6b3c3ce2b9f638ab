// What the roll tells other parts of the requester: a change of its records in memory, and a change to announce.
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';

/** Observes the records in memory. It is called after the store has the change, and in the order of the store. */
export interface RollObserver {
  /**
   * Called when a node's record is new or changed, but not while the roll is loaded. `before` is the record that it
   * replaces.
   */
  onRecord?(id: string, state: NodeState, before: NodeState | undefined): void;
  /** Called before `onRecord` when the store has the record of a node again that it had lost. No event tells of it. */
  onRestored?(id: string, state: NodeState): void;
  /** Called when a record waits under `id` to take the place of another, but not while the roll is loaded. */
  onArriving?(id: string, state: NodeState): void;
  /** Called when a node is no longer on the roll. */
  onRemoved(id: string): void;
  /**
   * Called when an operator deleted a node, but not while the roll is loaded. `before` is its last record; undefined when
   * that could not be read.
   */
  onDeleted?(id: string, before: NodeState | undefined): void;
}

/** Announces changes that are in the store to other systems. */
export interface ChangeAnnouncer {
  announceChange(id: string, change: RecordedChange): void;
  /** Announces a change that may have been announced already, unless its event turns out to be stored. */
  announceEarlierChange(id: string, change: RecordedChange): void;
  /** Returns the changes of `id` whose events the broker has not acknowledged. They are written into the record. */
  unacknowledgedChanges(id: string): RecordedChange[];
}
