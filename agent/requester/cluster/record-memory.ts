// What one requester has in memory of the records of one kind, and by which revisions. An older revision never replaces a newer
// one, whether a read, a write or the watch brings it.
import type * as v from 'valibot';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { BucketEntry } from '../../transport/port.ts';
import { decode } from './cluster-bucket.ts';

export interface RecordMemoryOptions<T> {
  /** The beginning of the keys in the bucket, such as `pin.`. */
  prefix: string;
  schema: v.GenericSchema<unknown, T>;
  log: Log;
  /** Called when a record in memory changes, with what it was and what it is. */
  onChange?(before: T | undefined, after: T | undefined): void;
}

export class RecordMemory<T> {
  readonly #options: RecordMemoryOptions<T>;
  readonly #records = new Map<string, { value: T; revision: number }>();
  /** The markers of deleted records, by their revisions, until the watch has come as far. */
  readonly #deleted = new Map<string, number>();
  /** The keys whose entries cannot be read, by their revisions. */
  readonly #unreadable = new Map<string, number>();

  constructor(options: RecordMemoryOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#records.size;
  }

  get(name: string): T | undefined {
    return this.#records.get(name)?.value;
  }

  has(name: string): boolean {
    return this.#records.has(name);
  }

  names(): Iterable<string> {
    return this.#records.keys();
  }

  *entries(): Generator<[string, T]> {
    for (const [name, { value }] of this.#records) yield [name, value];
  }

  /** Returns the newest revision of a record that memory knows of, which may be that of its marker; 0 for none. */
  revisionOf(name: string): number {
    return this.#records.get(name)?.revision ?? this.#deleted.get(name) ?? 0;
  }

  /** Keeps a record, and says that the store has it at this revision; at 0 it does not have it. */
  setRevision(name: string, revision: number): void {
    const record = this.#records.get(name);
    if (record) record.revision = revision;
  }

  /** Forgets all revisions, because they begin anew in a store that was lost. The records stay. */
  forgetRevisions(): void {
    this.#deleted.clear();
    for (const record of this.#records.values()) record.revision = 0;
  }

  /** Forgets the markers before a revision that the watch has brought: it brings nothing older any more. */
  forgetMarkersBefore(revision: number): void {
    for (const [name, deleted] of this.#deleted) if (deleted < revision) this.#deleted.delete(name);
  }

  /**
   * Takes a revision of a record, where undefined is its end. Returns false for an older one than memory got meanwhile.
   * `known` is the revision that memory had before: the revisions of a store that was lost begin anew.
   */
  apply(name: string, value: T | undefined, revision: number, known: number): boolean {
    const present = this.revisionOf(name);
    if (present !== known && revision <= present) return false;
    const before = this.get(name);
    if (value === undefined) {
      this.#unreadable.delete(`${this.#options.prefix}${name}`);
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

  /** Returns what an entry of the store says; undefined when it cannot be read, which is logged once. */
  read(entry: BucketEntry): T | undefined {
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
}
