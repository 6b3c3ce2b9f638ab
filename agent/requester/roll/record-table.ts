// The record table holds every node's record in memory, and finds a node by its id or a beginning of it.
import type { NodeState } from '../../protocol/node-state.ts';
import { MusterError } from '../../system/errors.ts';
import { wholeIdHint } from '../../system/whole-id-hint.ts';
import { CommonParts } from './common-parts.ts';
import { newIdHint, notFound } from './decisions.ts';
import { absentRecord, type StoredRecord } from './stored-record.ts';

/** The table for the other parts of the requester. Only `CurrentRecords` writes it. */
export type Records = Omit<RecordTable, 'set' | 'forgetRevision' | 'delete'>;

export class RecordTable {
  readonly #records = new Map<string, StoredRecord>();
  /** The deletion markers among them. There are few, and some readers want only those. */
  readonly #gone = new Map<string, StoredRecord>();
  readonly #parts = new CommonParts();
  #written = 0;
  #size = 0;
  #pending = 0;
  #unreadable = 0;

  /** Returns the record of a node on the roll. */
  get(id: string): NodeState | undefined {
    const stored = this.#records.get(id);
    return stored?.kind === 'record' ? stored.state : undefined;
  }

  /** Returns the record of `id` in memory. The store can have a newer one only while the broker is away. */
  stored(id: string): StoredRecord {
    return this.#records.get(id) ?? absentRecord;
  }

  /** Returns every id that has a record or a deletion marker in the store. */
  ids(): string[] {
    return [...this.#records].flatMap(([id, { revision }]) => (revision > 0 ? id : []));
  }

  /** Yields what is stored under each id: records, and the markers of nodes that are gone. */
  entries(): IterableIterator<[id: string, stored: StoredRecord]> {
    return this.#records.entries();
  }

  /** Yields the markers of the nodes that were deleted or forgotten. It reads no other record. */
  gone(): IterableIterator<[id: string, stored: StoredRecord]> {
    return this.#gone.entries();
  }

  /** Yields the records of all nodes on the roll. */
  *list(): Generator<NodeState> {
    for (const stored of this.#records.values()) if (stored.kind === 'record') yield stored.state;
  }

  /** Number of ids that have a record or a deletion marker in the store. */
  get written(): number {
    return this.#written;
  }

  /** Number of nodes on the roll. */
  get size(): number {
    return this.#size;
  }

  /** Number of records that cannot be read. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /** Number of nodes that are PENDING. */
  get pending(): number {
    return this.#pending;
  }

  /** Returns what `resolve` returns; undefined where it throws. */
  find(name: string): string | undefined {
    const exact = this.#records.get(name);
    if (exact) return isListed(exact) ? name : undefined;
    const matches = this.#startingWith(name);
    return matches.length === 1 ? matches[0] : undefined;
  }

  /**
   * Returns the id of the node that an operator means: the node with exactly this id, otherwise the only node whose id
   * begins with it. A record that cannot be read counts too. @throws MusterError `not_found`, or `ambiguous` with the ids
   * that match.
   */
  resolve(name: string): string {
    const exact = this.#records.get(name);
    if (exact && isListed(exact)) return name;
    // The whole id of a deleted node is not a prefix: `delete node-1`, typed twice, must not delete node-10.
    if (exact) throw notFound(name, hintOf(exact));
    const matches = this.#startingWith(name);
    const [only, ...more] = matches;
    if (only === undefined) throw notFound(name);
    if (more.length === 0) return only;
    const shown = matches.length > 3 ? [...matches.slice(0, 3), '...'] : matches;
    throw new MusterError(
      'ambiguous',
      `multiple nodes found for prefix: ${name}, matching IDs: [${shown.join(' ')}]`,
      { hint: 'Use a more specific node ID prefix' },
    );
  }

  /**
   * Returns `name` if a node has exactly this id. A record that cannot be read counts too. @throws MusterError `not_found`
   * with the ids that begin so in its hint.
   */
  resolveExact(name: string): string {
    const exact = this.#records.get(name);
    if (exact && isListed(exact)) return name;
    // The operator knows the name of a deleted node, so another node is no likely meaning.
    const matches = exact ? [] : this.#startingWith(name);
    // A requester is on the roll too, but nobody decides about it.
    const nodes = matches.filter(id => this.get(id)?.Info.NodeType !== 'Requester');
    throw notFound(name, exact ? hintOf(exact) : wholeIdHint(nodes));
  }

  /** Returns the ids of the nodes on the roll that begin with `name`, sorted. */
  #startingWith(name: string): string[] {
    return [...this.#records]
      .filter(([id, stored]) => isListed(stored) && name !== '' && id.startsWith(name))
      .map(([id]) => id)
      .sort();
  }

  /**
   * Replaces the record of `id`. Returns the record in the table, which may share parts with other records. `isShared` says
   * that it does so already.
   */
  set(id: string, stored: StoredRecord, isShared = false): StoredRecord {
    const kept =
      'state' in stored && !isShared ? { ...stored, state: this.#parts.share(stored.state) } : stored;
    this.#count(this.#records.get(id), -1);
    this.#count(kept, 1);
    this.#records.set(id, kept);
    if (kept.kind === 'deleted') this.#gone.set(id, kept);
    else this.#gone.delete(id);
    return kept;
  }

  /** Notes that the store may no longer have an entry under `id`. */
  forgetRevision(id: string): void {
    const stored = this.#records.get(id);
    if (stored?.kind === 'lost' || stored?.kind === 'deleted' || stored?.kind === 'renamed')
      this.set(id, { ...stored, revision: 0 });
  }

  delete(id: string): void {
    this.#count(this.#records.get(id), -1);
    this.#records.delete(id);
    this.#gone.delete(id);
  }

  #count(stored: StoredRecord | undefined, by: 1 | -1): void {
    if (stored && stored.revision > 0) this.#written += by;
    if (stored?.kind === 'record') this.#size += by;
    if (stored?.kind === 'record' && stored.state.Membership === 'PENDING') this.#pending += by;
    if (stored?.kind === 'unreadable') this.#unreadable += by;
  }
}

const isListed = ({ kind }: StoredRecord): boolean =>
  kind === 'record' || kind === 'unreadable' || kind === 'lost';

const hintOf = (gone: StoredRecord): string | undefined =>
  gone.kind === 'renamed' ? newIdHint(gone.to) : undefined;
