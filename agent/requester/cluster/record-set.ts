// Records of one kind in the cluster bucket, such as the keys of the nodes: in memory, where they follow the bucket, and each
// change written to the store before it counts. Several requesters may write the same records.
import { isDeepStrictEqual } from 'node:util';
import { inGroups } from '../../system/in-groups.ts';
import { type Bucket, isRevisionConflict } from '../../transport/port.ts';
import { encode } from './cluster-bucket.ts';
import { FencedWrites } from './fenced-writes.ts';
import { changedError, wasChanged, writeAttempts } from './record-conflict.ts';
import type { FollowingSet } from './record-follower.ts';
import type { RecordMemory } from './record-memory.ts';
import { removedOperations } from './record-operations.ts';
import { WatchedRecords, type WatchedRecordsOptions } from './watched-records.ts';

/** What a set of records needs of its bucket. */
export type RecordBucket = Pick<Bucket, 'get' | 'put' | 'purge' | 'remove'>;

export interface RecordSetOptions<T> extends WatchedRecordsOptions<T> {
  bucket: RecordBucket;
}

/** Number of records that are written at the same time when the store was lost. */
const atOnce = 64;

/** All methods that write throw BrokerError, and MusterError `conflict` when the record was changed by another requester. */
export class RecordSet<T> implements FollowingSet {
  /** The records in memory, as they follow the bucket. */
  readonly watched: WatchedRecords<T>;
  /** Writes that no other write of the same record may come in between. */
  readonly fenced: FencedWrites<T>;
  readonly #options: RecordSetOptions<T>;
  readonly #memory: RecordMemory<T>;

  constructor(options: RecordSetOptions<T>) {
    this.#options = options;
    this.watched = new WatchedRecords(options);
    this.#memory = this.watched.memory;
    this.fenced = new FencedWrites({ ...options, records: this.watched });
  }

  get size(): number {
    return this.#memory.size;
  }

  get(name: string): T | undefined {
    return this.#memory.get(name);
  }

  entries(): Generator<[string, T]> {
    return this.#memory.entries();
  }

  /**
   * Writes a record and then keeps it. A record that was written or deleted meanwhile is not replaced: what the store has is
   * kept instead, and the call throws, unless the store has the same. That may be our own, of an earlier attempt whose answer
   * was lost. `over` is the record by which the caller has decided, if it has waited since; undefined for none.
   */
  async set(name: string, value: T, ...over: [T | undefined] | []): Promise<void> {
    if (over.length > 0 && this.get(name) !== over[0]) throw changedError(this.#keyOf(name));
    await this.#write(name, value);
    await this.#mirror(name, value);
  }

  /**
   * Changes a record by `change`, which gets what is known and returns what is to be written; undefined for no change. It is
   * called again with what another requester wrote meanwhile. Returns the record as it is then. An attempt whose answer is
   * lost throws and may stand, so `change` must find its own mark in the record when the caller tries again.
   */
  async update(name: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined> {
    for (let attempt = 1; ; attempt++) {
      const wanted = change(this.get(name));
      if (wanted === undefined) return this.get(name);
      try {
        // Two requesters that count one up write the same, and both must count.
        await this.#write(name, wanted, { isExact: true });
        await this.#mirror(name, wanted);
        return wanted;
      } catch (error) {
        if (!wasChanged(error) || attempt === writeAttempts) throw error;
      }
    }
  }

  /**
   * Deletes a record from the store and then from the memory. One that was changed meanwhile stays, and the call throws. The
   * marker has `headers`.
   */
  async delete(name: string, headers: Record<string, string> = {}): Promise<void> {
    const { bucket, mirror } = this.#options;
    const key = this.#keyOf(name);
    await mirror?.remove(name);
    const before = this.get(name);
    if (before === undefined) return;
    const known = this.#memory.revisionOf(name);
    let revision = known;
    for (let attempt = 1; ; attempt++) {
      try {
        this.#memory.apply(name, undefined, await bucket.purge(key, revision, headers), known);
        return;
      } catch (error) {
        if (!isRevisionConflict(error) || attempt === writeAttempts) throw error;
        const newest = await bucket.get(key);
        if (!newest || newest.marker) {
          this.#memory.apply(name, undefined, newest?.revision ?? 0, known);
          return;
        }
        if (!isDeepStrictEqual(this.#memory.read(newest), before)) {
          this.watched.takeRead(newest, known);
          throw changedError(key);
        }
        revision = newest.revision;
      }
    }
  }

  /**
   * Removes a record from the store for good, without a marker, and then from the memory. Another requester does not hear of
   * it, and keeps the record until it reads the bucket again: see `mayVanish`.
   */
  async remove(name: string): Promise<void> {
    const known = this.#memory.has(name) ? this.#memory.revisionOf(name) : 0;
    await this.#options.bucket.remove(this.#keyOf(name), known);
    this.#memory.apply(name, undefined, known, known);
  }

  /** Returns the operations of a record that was removed, as its marker in the store has them. */
  removedOperations(name: string): Promise<string[]> {
    return removedOperations(this.#options.bucket, this.#keyOf(name));
  }

  /** Reads a record again, because a write of it got no answer, and returns what the store has. */
  async read(name: string): Promise<T | undefined> {
    const known = this.#memory.revisionOf(name);
    const entry = await this.#options.bucket.get(this.#keyOf(name));
    if (entry) this.watched.takeRead(entry, known);
    else this.#memory.apply(name, undefined, 0, known);
    return this.get(name);
  }

  /**
   * Writes all records again, because the store was lost; with `onlyMissing` those that the last pass did not find. A record
   * that the store has is taken from there.
   */
  async restore({ onlyMissing = false } = {}): Promise<void> {
    const isDue = ([name]: [string, T]) => !onlyMissing || this.#memory.revisionOf(name) === 0;
    const writeAgain = async ([name, value]: [string, T]) => {
      // It may have changed or gone since.
      if (this.get(name) !== value) return;
      await this.#write(name, value, { isRestored: true }).catch(throwUnlessChanged);
    };
    await inGroups([...this.entries()].filter(isDue), atOnce, writeAgain);
  }

  /** Tells of what other requesters change from now on, and lets the mirror follow it. Before, all is read for the first time. */
  tellChanges(): void {
    this.watched.tellChanges();
  }

  async #mirror(name: string, value: T): Promise<void> {
    await this.watched.untilMirrored();
    await this.#options.mirror?.put(name, value);
  }

  /**
   * `isRestored` writes a record again that the store does not have, whatever deleted it; with `isExact` an equal record of
   * somebody else does not count as written.
   */
  async #write(name: string, value: T, { isRestored = false, isExact = false } = {}): Promise<void> {
    const { bucket } = this.#options;
    const key = this.#keyOf(name);
    const bytes = encode(value);
    const known = this.#memory.revisionOf(name);
    const wasThere = this.#memory.has(name);
    let revision = known;
    for (let attempt = 1; ; attempt++) {
      try {
        this.#memory.apply(name, value, await bucket.put(key, bytes, revision), known);
        return;
      } catch (error) {
        if (!isRevisionConflict(error) || attempt === writeAttempts) throw error;
        const newest = await bucket.get(key);
        if (newest && !newest.marker) {
          this.watched.takeRead(newest, known);
          if (!isExact && Buffer.from(newest.value).equals(Buffer.from(bytes))) return;
          throw changedError(key);
        }
        if (newest && wasThere && !isRestored && newest.revision > known) {
          this.watched.takeRead(newest, known);
          throw changedError(key);
        }
        // There was a record before, of which memory does not know, or the store was lost.
        revision = newest?.revision ?? 0;
      }
    }
  }

  #keyOf(name: string): string {
    return `${this.#options.prefix}${name}`;
  }
}

function throwUnlessChanged(error: unknown): void {
  if (!wasChanged(error)) throw error;
}
