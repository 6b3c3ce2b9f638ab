// Writes of records that count only if no other write of the same record came in between, not even one that was sent before and
// is still under way. Newcomers are let in by them while several requesters do so.
import { type Bucket, isRevisionConflict } from '../../transport/port.ts';
import type { LedgerMirror } from '../ledger/ledger.ts';
import { encode } from './cluster-bucket.ts';
import { changedError, writeAttempts } from './record-conflict.ts';
import type { WatchedRecords } from './watched-records.ts';

export interface FencedWritesOptions<T> {
  bucket: Pick<Bucket, 'get' | 'put' | 'purge'>;
  records: WatchedRecords<T>;
  mirror?: LedgerMirror<T> | undefined;
}

/** All methods that write throw BrokerError. */
export class FencedWrites<T> {
  readonly #options: FencedWritesOptions<T>;

  constructor(options: FencedWritesOptions<T>) {
    this.#options = options;
  }

  /**
   * Writes a record over the one that the watch has brought, so that all earlier writes of this bucket are known. Returns false
   * when the store has a newer one, or when the watch has not brought the one in memory yet: see `untilWatched`.
   */
  async replaceWatched(name: string, value: T): Promise<boolean> {
    const { bucket, records } = this.#options;
    const known = records.memory.revisionOf(name);
    if (records.isAhead(name)) return false;
    try {
      const revision = await bucket.put(this.#keyOf(name), encode(value), known);
      records.memory.apply(name, value, revision, known);
      return true;
    } catch (error) {
      if (!isRevisionConflict(error)) throw error;
      return false;
    }
  }

  /** Returns the revision of a record for `deleteAt`, as far as it is known here. */
  revisionOf(name: string): number {
    return this.#options.records.memory.revisionOf(name);
  }

  /** Deletes a record. @throws MusterError `conflict` when it was written since `revision`, also with the same content */
  async deleteAt(name: string, revision: number): Promise<void> {
    const { bucket, records } = this.#options;
    const key = this.#keyOf(name);
    const known = records.memory.revisionOf(name);
    try {
      records.memory.apply(name, undefined, await bucket.purge(key, revision, {}), known);
    } catch (error) {
      if (!isRevisionConflict(error)) throw error;
      const newest = await bucket.get(key);
      if (newest) records.takeRead(newest, known);
      else records.memory.apply(name, undefined, 0, known);
      if (newest && !newest.marker) throw changedError(key);
    }
  }

  /** Resolves when the watch brings a revision of this record. */
  untilWatched(name: string): Promise<void> {
    return this.#options.records.untilWatched(name);
  }

  /**
   * Returns the revision at which a record that the store does not have can be written by `create`. @throws MusterError
   * `conflict` when the store has the record.
   */
  async revisionToCreate(name: string): Promise<number> {
    const { bucket, records } = this.#options;
    const key = this.#keyOf(name);
    const known = records.memory.revisionOf(name);
    const entry = await bucket.get(key);
    if (!entry || entry.marker) return entry?.revision ?? 0;
    records.takeRead(entry, known);
    throw changedError(key);
  }

  /**
   * Writes a record that the store does not have. @throws MusterError `conflict` when it was written or fenced off since
   * `revision`
   */
  async create(name: string, value: T, revision: number): Promise<void> {
    const { bucket, records, mirror } = this.#options;
    const key = this.#keyOf(name);
    const known = records.memory.revisionOf(name);
    try {
      records.memory.apply(name, value, await bucket.put(key, encode(value), revision), known);
    } catch (error) {
      throw isRevisionConflict(error) ? changedError(key) : error;
    }
    await mirror?.put(name, value);
  }

  /**
   * Fences a record off that the store does not have: a write of it by `create` that is still under way fails. @throws as
   * `revisionToCreate`; then memory has the record
   */
  async fenceOff(name: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const revision = await this.revisionToCreate(name);
      try {
        await this.#options.bucket.purge(this.#keyOf(name), revision, {});
        return;
      } catch (error) {
        if (!isRevisionConflict(error) || attempt === writeAttempts) throw error;
      }
    }
  }

  #keyOf(name: string): string {
    return `${this.#options.records.prefix}${name}`;
  }
}
