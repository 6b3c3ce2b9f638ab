// Records of one kind in the cluster bucket, such as the keys of the nodes: in memory, where they follow the bucket, and each
// change written to the store before it counts. Several requesters may write the same records.
import { isDeepStrictEqual } from 'node:util';
import type * as v from 'valibot';
import { MusterError } from '../../system/errors.ts';
import { inGroups } from '../../system/in-groups.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError, type Bucket, type BucketEntry } from '../../transport/port.ts';
import type { LedgerMirror } from '../ledger/ledger.ts';
import { decode, encode } from './cluster-bucket.ts';

/** What a set of records needs of its bucket. */
export type RecordBucket = Pick<Bucket, 'get' | 'put' | 'purge' | 'remove'>;

export interface RecordSetOptions<T> {
  bucket: RecordBucket;
  /** The beginning of the keys in the bucket, such as `pin.`. */
  prefix: string;
  schema: v.GenericSchema<unknown, T>;
  log: Log;
  /** Called when a record in memory changes, with what it was and what it is. */
  onChange?(before: T | undefined, after: T | undefined): void;
  /**
   * Called after `onChange` with what the watch of the bucket has brought, from `tellChanges` on: as a rule, another
   * requester changed it. It may be a change of our own whose answer comes later, so it must do no harm then.
   */
  onOthersChange?(name: string, before: T | undefined, after: T | undefined): void;
  /** Keeps the records outside of the store too, so that an older store cannot undo them. */
  mirror?: LedgerMirror<T> | undefined;
  /** Says whether a requester may have removed this record for good, without a marker; none may by default. */
  mayVanish?(name: string, value: T): boolean;
}

/** Number of attempts to write a record whose revision another write has changed. */
const attempts = 8;
/** Number of records that are written at the same time when the store was lost. */
const atOnce = 64;

/** All methods that write throw BrokerError, and MusterError `conflict` when the record was changed by another requester. */
export class RecordSet<T> {
  readonly #options: RecordSetOptions<T>;
  readonly #records = new Map<string, { value: T; revision: number }>();
  /** The markers of records that we deleted, by their revisions, until the watch has come as far. */
  readonly #deleted = new Map<string, number>();
  /** The revisions that were read from the store, and which the watch has not brought yet. */
  readonly #ahead = new Map<string, number>();
  /** Those who wait until the watch brings a record. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  /** The keys whose entries cannot be read, by their revisions. */
  readonly #unreadable = new Map<string, number>();
  /** During a pass over the bucket, the names that have not come yet; otherwise undefined. */
  #missing: Set<string> | undefined;
  /** Whether the pass is over a store that was lost. */
  #isLost = false;
  #tells = false;
  /** The last write to the mirror that the watch has caused. */
  #mirrored: Promise<void> = Promise.resolve();

  constructor(options: RecordSetOptions<T>) {
    this.#options = options;
  }

  /** The beginning of the keys in the bucket. */
  get prefix(): string {
    return this.#options.prefix;
  }

  get size(): number {
    return this.#records.size;
  }

  get(name: string): T | undefined {
    return this.#records.get(name)?.value;
  }

  *entries(): Generator<[string, T]> {
    for (const [name, { value }] of this.#records) yield [name, value];
  }

  /**
   * Writes a record and then keeps it. A record that was written or deleted meanwhile is not replaced: what the store has is
   * kept instead, and the call throws, unless the store has the same. That may be our own, of an earlier attempt whose answer
   * was lost. `over` is the record by which the caller has decided, if it has waited since; undefined for none.
   */
  async set(name: string, value: T, ...over: [T | undefined] | []): Promise<void> {
    if (over.length > 0 && this.get(name) !== over[0]) throw takenError(`${this.prefix}${name}`);
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
        if (!wasChanged(error) || attempt === attempts) throw error;
      }
    }
  }

  /**
   * Writes a record over the one that the watch has brought, so that all earlier writes of this bucket are known. Returns false
   * when the store has a newer one, or when the watch has not brought the one in memory yet: see `untilWatched`.
   */
  async replaceWatched(name: string, value: T): Promise<boolean> {
    const { bucket, prefix } = this.#options;
    const known = this.#revisionOf(name);
    if (this.#ahead.has(name)) return false;
    try {
      this.#apply(name, value, await bucket.put(`${prefix}${name}`, encode(value), known), known);
      return true;
    } catch (error) {
      if (!isConflict(error)) throw error;
      return false;
    }
  }

  /** Resolves when the watch brings a revision of this record. */
  untilWatched(name: string): Promise<void> {
    const waiting = this.#waiting.get(name) ?? Promise.withResolvers<void>();
    this.#waiting.set(name, waiting);
    return waiting.promise;
  }

  /**
   * Returns the revision at which a record that the store does not have can be written by `create`. @throws MusterError
   * `conflict` when the store has the record.
   */
  async revisionToCreate(name: string): Promise<number> {
    const key = `${this.prefix}${name}`;
    const known = this.#revisionOf(name);
    const entry = await this.#options.bucket.get(key);
    if (!entry || entry.marker) return entry?.revision ?? 0;
    this.#takeRead(entry, known);
    throw takenError(key);
  }

  /** Writes a record that the store does not have, unless it was written or fenced off since `revision`. */
  async create(name: string, value: T, revision: number): Promise<void> {
    const { bucket, prefix, mirror } = this.#options;
    const key = `${prefix}${name}`;
    const known = this.#revisionOf(name);
    try {
      this.#apply(name, value, await bucket.put(key, encode(value), revision), known);
    } catch (error) {
      throw isConflict(error) ? takenError(key) : error;
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
        await this.#options.bucket.purge(`${this.prefix}${name}`, revision, {});
        return;
      } catch (error) {
        if (!isConflict(error) || attempt === attempts) throw error;
      }
    }
  }

  /** Deletes a record from the store and then from the memory. One that was changed meanwhile stays, and the call throws. */
  async delete(name: string): Promise<void> {
    const { bucket, prefix, mirror } = this.#options;
    const key = `${prefix}${name}`;
    await mirror?.remove(name);
    const before = this.#records.get(name);
    if (!before) return;
    const known = before.revision;
    let revision = known;
    for (let attempt = 1; ; attempt++) {
      try {
        this.#apply(name, undefined, await bucket.purge(key, revision, {}), known);
        return;
      } catch (error) {
        if (!isConflict(error) || attempt === attempts) throw error;
        const newest = await bucket.get(key);
        if (!newest || newest.marker) {
          this.#apply(name, undefined, newest?.revision ?? 0, known);
          return;
        }
        if (!isDeepStrictEqual(this.#read(newest), before.value)) {
          this.#takeRead(newest, known);
          throw takenError(key);
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
    const { bucket, prefix } = this.#options;
    const known = this.#records.get(name)?.revision ?? 0;
    await bucket.remove(`${prefix}${name}`, known);
    this.#apply(name, undefined, known, known);
  }

  /** Reads a record again, because a write of it got no answer, and returns what the store has. */
  async read(name: string): Promise<T | undefined> {
    const { bucket, prefix } = this.#options;
    const known = this.#revisionOf(name);
    const entry = await bucket.get(`${prefix}${name}`);
    if (entry) this.#takeRead(entry, known);
    else this.#apply(name, undefined, 0, known);
    return this.get(name);
  }

  /**
   * Writes all records again, because the store was lost; with `onlyMissing` those that the last pass did not find. A record
   * that the store has is taken from there.
   */
  async restore({ onlyMissing = false } = {}): Promise<void> {
    const isDue = ([name]: [string, T]) => !onlyMissing || this.#revisionOf(name) === 0;
    const writeAgain = async ([name, value]: [string, T]) => {
      // It may have changed or gone since.
      if (this.get(name) !== value) return;
      await this.#write(name, value, { isRestored: true }).catch(throwUnlessTaken);
    };
    await inGroups([...this.entries()].filter(isDue), atOnce, writeAgain);
  }

  /** Tells of what other requesters change from now on, and lets the mirror follow it. Before, all is read for the first time. */
  tellChanges(): void {
    this.#tells = true;
  }

  /** Begins a pass over the bucket. In a store that was lost, the revisions begin anew, and the records stay for `restore`. */
  beginPass(lost: boolean): void {
    this.#missing = new Set(this.#records.keys());
    this.#isLost = lost;
    if (!lost) return;
    this.#deleted.clear();
    this.#ahead.clear();
    for (const record of this.#records.values()) record.revision = 0;
  }

  /** Takes an entry of this set that the watch has brought, if memory has no newer one. Our own writes come back, too. */
  onEntry(entry: BucketEntry): void {
    if (!entry.key.startsWith(this.prefix)) return;
    const name = entry.key.slice(this.prefix.length);
    this.#missing?.delete(name);
    for (const [deleted, revision] of this.#deleted)
      if (revision < entry.revision) this.#deleted.delete(deleted);
    if (entry.revision >= (this.#ahead.get(name) ?? 0)) this.#ahead.delete(name);
    this.#onWatched(name, entry);
    this.#waiting.get(name)?.resolve();
    this.#waiting.delete(name);
  }

  #onWatched(name: string, entry: BucketEntry): void {
    if (entry.revision <= this.#revisionOf(name)) return;
    const record = this.#records.get(name);
    // A store that was lost may have come back as an older copy, which does not know that this record was written again.
    if (entry.marker && this.#isLost && record) record.revision = entry.revision;
    else this.#take(entry, this.#revisionOf(name));
  }

  /**
   * Ends a pass over the bucket. Returns whether a bucket that was not lost as a whole lacks records that no requester has
   * removed. They stay in memory, to be written again.
   */
  completePass(): boolean {
    const { mayVanish } = this.#options;
    let isShort = false;
    for (const name of this.#missing ?? []) {
      const record = this.#records.get(name);
      if (!record) continue;
      const isRemoved = !this.#isLost && mayVanish?.(name, record.value) === true;
      if (isRemoved) this.#apply(name, undefined, 0, record.revision);
      else {
        record.revision = 0;
        isShort = !this.#isLost;
      }
    }
    this.#missing = undefined;
    this.#isLost = false;
    return isShort;
  }

  async #mirror(name: string, value: T): Promise<void> {
    await this.#mirrored;
    await this.#options.mirror?.put(name, value);
  }

  /**
   * `isRestored` writes a record again that the store does not have, whatever deleted it; with `isExact` an equal record of
   * somebody else does not count as written.
   */
  async #write(name: string, value: T, { isRestored = false, isExact = false } = {}): Promise<void> {
    const { bucket, prefix } = this.#options;
    const key = `${prefix}${name}`;
    const bytes = encode(value);
    const known = this.#revisionOf(name);
    const wasThere = this.#records.has(name);
    let revision = known;
    for (let attempt = 1; ; attempt++) {
      try {
        this.#apply(name, value, await bucket.put(key, bytes, revision), known);
        return;
      } catch (error) {
        if (!isConflict(error) || attempt === attempts) throw error;
        const newest = await bucket.get(key);
        if (newest && !newest.marker) {
          this.#takeRead(newest, known);
          if (!isExact && Buffer.from(newest.value).equals(Buffer.from(bytes))) return;
          throw takenError(key);
        }
        if (newest && wasThere && !isRestored && newest.revision > known) {
          this.#takeRead(newest, known);
          throw takenError(key);
        }
        // There was a record before, of which memory does not know, or the store was lost.
        revision = newest?.revision ?? 0;
      }
    }
  }

  /** Returns the newest revision of a record that memory knows of; 0 for none. */
  #revisionOf(name: string): number {
    return this.#records.get(name)?.revision ?? this.#deleted.get(name) ?? 0;
  }

  /** Takes what was read from the store, perhaps before the watch brings it and what was written earlier. */
  #takeRead(entry: BucketEntry, known: number): void {
    if (entry.revision > known) this.#ahead.set(entry.key.slice(this.prefix.length), entry.revision);
    this.#take(entry, known);
  }

  /** Takes what the store has. `known` is the revision that memory had when the store was asked. */
  #take(entry: BucketEntry, known: number): void {
    const name = entry.key.slice(this.prefix.length);
    const before = this.get(name);
    const value = entry.marker ? undefined : this.#read(entry);
    if (value === undefined && !entry.marker) return;
    if (!this.#apply(name, value, entry.revision, known) || !this.#tells || this.#isLost) return;
    if (isDeepStrictEqual(before, value)) return;
    const { mirror, onOthersChange } = this.#options;
    const mirrored = value === undefined ? mirror?.remove(name) : mirror?.put(name, value);
    if (mirrored) this.#mirrored = Promise.all([this.#mirrored, mirrored]).then(() => undefined);
    onOthersChange?.(name, before, value);
  }

  /** Returns what an entry says; undefined when it cannot be read, which is logged once. */
  #read(entry: BucketEntry): T | undefined {
    try {
      const value = decode(entry.key, this.#options.schema, entry.value);
      this.#unreadable.delete(entry.key);
      return value;
    } catch (error) {
      if (!(error instanceof MusterError)) throw error;
      if (this.#unreadable.get(entry.key) === entry.revision) return undefined;
      this.#unreadable.set(entry.key, entry.revision);
      const text = 'a record of the cluster cannot be read; it is left out';
      this.#options.log.warn({ key: entry.key, err: error }, text);
      return undefined;
    }
  }

  /**
   * Takes a revision of a record into memory. Returns false for an older one than memory got meanwhile. `known` is the
   * revision that memory had before: the revisions of a store that was lost begin anew.
   */
  #apply(name: string, value: T | undefined, revision: number, known: number): boolean {
    const present = this.#revisionOf(name);
    if (present !== known && revision <= present) return false;
    const before = this.get(name);
    if (value === undefined) {
      this.#records.delete(name);
      this.#deleted.set(name, revision);
      if (before === undefined) return true;
    } else {
      this.#deleted.delete(name);
      this.#records.set(name, { value, revision });
    }
    this.#options.onChange?.(before, value);
    return true;
  }
}

/** Returns whether a write failed because another requester changed the record meanwhile. */
export const wasChanged = (error: unknown): error is MusterError =>
  error instanceof MusterError && error.code === 'conflict';

const isConflict = (error: unknown) => error instanceof BrokerError && error.fault === 'revision_conflict';

const takenError = (key: string) =>
  new MusterError('conflict', `the record ${key} of the cluster was changed by somebody else meanwhile`, {
    hint: 'see what it is now, and try again',
  });

function throwUnlessTaken(error: unknown): void {
  if (!wasChanged(error)) throw error;
}
