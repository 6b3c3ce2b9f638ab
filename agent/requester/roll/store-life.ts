// What the roll asks about the life of the store, because revisions begin anew in a store that was lost.

/** Knows which life of the store it is. */
export interface StoreLife {
  /** Returns the incarnation that a write belongs to. @throws BrokerError */
  find(): Promise<string>;
  /** Notes that the store may have begun anew, or that it certainly has. */
  doubt(doubt: { lost: boolean }): void;
  /** Notes a revision of the store. */
  onRevision(revision: number): void;
}
