// Records of one kind in the cluster bucket, such as the keys of the nodes: in memory, and each change written to the store
// before it counts.
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
  /** What keeps the records outside of the store too, so that an older store cannot undo them. */
  mirror?: LedgerMirror<T> | undefined;
}

/** Number of attempts to write a record whose revision another write has changed. */
const attempts = 4;
/** Number of records that are written at the same time when the store was lost. */
const atOnce = 64;

/** All methods that write throw BrokerError, and MusterError `conflict` when the record was written by somebody else. */
export class RecordSet<T> {
  readonly #options: RecordSetOptions<T>;
  readonly #records = new Map<string, { value: T; revision: number }>();

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
   * Writes a record and then keeps it. A record that was written meanwhile is not replaced: it is kept instead, and the call
   * throws. It may be our own, of an earlier attempt whose answer was lost.
   */
  async set(name: string, value: T): Promise<void> {
    const { bucket, prefix } = this.#options;
    const key = `${prefix}${name}`;
    const bytes = encode(value);
    let revision = this.#records.get(name)?.revision ?? 0;
    for (let attempt = 1; ; attempt++) {
      try {
        revision = await bucket.put(key, bytes, revision);
        break;
      } catch (error) {
        if (!isConflict(error) || attempt === attempts) throw error;
        const newest = await bucket.get(key);
        if (newest && !newest.marker) {
          if (!Buffer.from(newest.value).equals(Buffer.from(bytes))) {
            this.take(newest);
            throw takenError(key);
          }
          // The answer to an earlier attempt was lost.
          revision = newest.revision;
          break;
        }
        // The record was deleted, or the store was lost.
        revision = newest?.revision ?? 0;
      }
    }
    this.#keep(name, value, revision);
    await this.#options.mirror?.put(name, value);
  }

  /** Deletes a record from the store and then from the memory. */
  async delete(name: string): Promise<void> {
    const { bucket, prefix, mirror } = this.#options;
    const key = `${prefix}${name}`;
    await mirror?.remove(name);
    let revision = this.#records.get(name)?.revision;
    for (let attempt = 1; revision !== undefined; attempt++) {
      try {
        await bucket.purge(key, revision, {});
        break;
      } catch (error) {
        if (!isConflict(error) || attempt === attempts) throw error;
        const newest = await bucket.get(key);
        revision = newest && !newest.marker ? newest.revision : undefined;
      }
    }
    this.#forget(name);
  }

  /** Removes a record from the store for good, without a marker, and then from the memory. */
  async remove(name: string): Promise<void> {
    const { bucket, prefix } = this.#options;
    await bucket.remove(`${prefix}${name}`, this.#records.get(name)?.revision ?? 0);
    this.#forget(name);
  }

  /** Reads a record again, because a write of it got no answer, and returns what the store has. */
  async read(name: string): Promise<T | undefined> {
    const { bucket, prefix } = this.#options;
    const entry = await bucket.get(`${prefix}${name}`);
    if (entry) this.take(entry);
    else this.#forget(name);
    return this.get(name);
  }

  /** Writes all records again, because the store was lost. A record that the store has is taken from there. */
  async restore(): Promise<void> {
    const all = [...this.entries()];
    const writeAgain = async ([name, value]: [string, T]) => {
      // It may have changed or gone since.
      if (this.get(name) === value) await this.set(name, value).catch(throwUnlessTaken);
    };
    await inGroups(all, atOnce, writeAgain);
  }

  /** Takes an entry of the bucket, if it belongs to this set. */
  take(entry: BucketEntry): void {
    const { prefix, schema, log } = this.#options;
    if (!entry.key.startsWith(prefix)) return;
    const name = entry.key.slice(prefix.length);
    if (entry.marker) {
      this.#forget(name);
      return;
    }
    try {
      this.#keep(name, decode(entry.key, schema, entry.value), entry.revision);
    } catch (error) {
      if (!(error instanceof MusterError)) throw error;
      log.warn({ key: entry.key, err: error }, 'a record of the cluster cannot be read; it is left out');
    }
  }

  #keep(name: string, value: T, revision: number): void {
    const before = this.get(name);
    this.#records.set(name, { value, revision });
    this.#options.onChange?.(before, value);
  }

  #forget(name: string): void {
    const before = this.get(name);
    this.#records.delete(name);
    if (before !== undefined) this.#options.onChange?.(before, undefined);
  }
}

/** Reads all records of `sets` from the bucket in one pass. @throws BrokerError */
export async function readRecords(
  bucket: Bucket,
  sets: readonly { readonly prefix: string; take(entry: BucketEntry): void }[],
): Promise<void> {
  const take = (entry: BucketEntry) => {
    for (const set of sets) set.take(entry);
  };
  // The records of other sets are many, so those of one set are asked for alone.
  const [first, ...others] = sets;
  const watch = await bucket.watch(take, first && others.length === 0 ? { prefix: first.prefix } : {});
  try {
    await watch.ready;
  } finally {
    watch.stop();
  }
}

const isConflict = (error: unknown) => error instanceof BrokerError && error.fault === 'revision_conflict';

const takenError = (key: string) =>
  new MusterError('conflict', `the record ${key} of the cluster was written by somebody else meanwhile`);

function throwUnlessTaken(error: unknown): void {
  if (!(error instanceof MusterError) || error.code !== 'conflict') throw error;
}
