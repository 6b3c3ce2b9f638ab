// The confirmations say which nodes keep the next CA on their disks, and which approved nodes do not yet.
import type { NodeState } from '../../protocol/node-state.ts';
import type { KnownRecords } from './authority-store.ts';

/** Its methods return whether something has changed. */
export class Confirmations {
  readonly #isForNodes: boolean;
  /** The nodes that keep the next CA, and the approved ones that do not. */
  readonly #confirmed: Set<string>;
  readonly #missing = new Set<string>();
  /** The arrival of the newest request of each node that counted here. */
  readonly #newest = new Map<string, number>();
  /** The records of all nodes; undefined until the roll was read. */
  #records: KnownRecords | undefined;

  /** `isForNodes` says whether nodes use the CA at all. `confirmed` are the nodes that were known to keep the next one. */
  constructor(isForNodes: boolean, confirmed: readonly string[]) {
    this.#isForNodes = isForNodes;
    this.#confirmed = new Set(confirmed);
  }

  /** The nodes that keep the next CA. */
  get confirmed(): ReadonlySet<string> {
    return this.#confirmed;
  }

  /** The approved nodes that do not keep it; none until the roll was read. */
  get missing(): ReadonlySet<string> {
    return this.#missing;
  }

  /** Whether the roll was read, so that `missing` is complete. */
  get isComplete(): boolean {
    return this.#records !== undefined;
  }

  /** Begins to know the records of the nodes. */
  start(records: KnownRecords): void {
    this.#records = records;
  }

  /** Finds out from all records which approved nodes do not keep the next CA. */
  compare(): void {
    this.#missing.clear();
    for (const state of this.#records?.list() ?? []) {
      const id = state.Info.NodeID;
      if (this.#isMissing(id, state)) this.#missing.add(id);
    }
  }

  /** Forgets everything, because no CA is to follow. */
  clear(): void {
    this.#confirmed.clear();
    this.#missing.clear();
    this.#newest.clear();
  }

  /**
   * Notes whether a node keeps the next CA. Requests may end in another order than that in which they came: `arrival` is larger
   * for a later one, and what an earlier one says does not count any more.
   */
  set(id: string, keeps: boolean, arrival: number): boolean {
    if (arrival < (this.#newest.get(id) ?? arrival)) return false;
    this.#newest.set(id, arrival);
    if (keeps === this.#confirmed.has(id)) return false;
    if (keeps) this.#confirmed.add(id);
    else this.#confirmed.delete(id);
    this.#note(id, this.#records?.get(id));
    return true;
  }

  /** Notes the record of a node. */
  onRecord(id: string, state: NodeState): boolean {
    return this.isComplete && this.#note(id, state);
  }

  /** Forgets a node, because another machine may come back under its id. */
  onRemoved(id: string): boolean {
    this.#newest.delete(id);
    const [wasConfirmed, wasMissing] = [this.#confirmed.delete(id), this.#missing.delete(id)];
    return wasConfirmed || wasMissing;
  }

  #note(id: string, state: NodeState | undefined): boolean {
    const isMissing = this.#isMissing(id, state);
    if (isMissing === this.#missing.has(id)) return false;
    if (isMissing) this.#missing.add(id);
    else this.#missing.delete(id);
    return true;
  }

  /** Returns whether the next CA must wait for this node: an approved one that uses the CA and does not keep the next. */
  #isMissing(id: string, state: NodeState | undefined): boolean {
    const isApproved = state?.Info.NodeType === 'Compute' && state.Membership === 'APPROVED';
    return isApproved && this.#isForNodes && !this.#confirmed.has(id);
  }
}
