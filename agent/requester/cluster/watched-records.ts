// Lets the records of one kind in memory follow the bucket: by its watch, and by what is read from it before the watch is as
// far. It tells what other requesters have changed.
import { isDeepStrictEqual } from 'node:util';
import type { BucketEntry } from '../../transport/port.ts';
import type { LedgerMirror } from '../ledger/ledger.ts';
import type { FollowingRecords } from './record-follower.ts';
import { RecordMemory, type RecordMemoryOptions } from './record-memory.ts';

export interface WatchedRecordsOptions<T> extends RecordMemoryOptions<T> {
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

export class WatchedRecords<T> implements FollowingRecords {
  readonly memory: RecordMemory<T>;
  readonly #options: WatchedRecordsOptions<T>;
  /** The revisions that were read from the store, and which the watch has not brought yet. */
  readonly #ahead = new Map<string, number>();
  /** Those who wait until the watch brings a record. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  /** During a pass over the bucket, the names that have not come yet; otherwise undefined. */
  #missing: Set<string> | undefined;
  /** Whether the pass is over a store that was lost. */
  #isLost = false;
  #tells = false;
  /** The last write to the mirror that the watch has caused. */
  #mirrored: Promise<void> = Promise.resolve();

  constructor(options: WatchedRecordsOptions<T>) {
    this.#options = options;
    this.memory = new RecordMemory(options);
  }

  get prefix(): string {
    return this.#options.prefix;
  }

  /** Returns whether memory has a revision of this record that was read, and which the watch has not brought yet. */
  isAhead(name: string): boolean {
    return this.#ahead.has(name);
  }

  /** Resolves when the watch brings a revision of this record. */
  untilWatched(name: string): Promise<void> {
    const waiting = this.#waiting.get(name) ?? Promise.withResolvers<void>();
    this.#waiting.set(name, waiting);
    return waiting.promise;
  }

  /** Resolves when the mirror has what the watch has brought. */
  untilMirrored(): Promise<void> {
    return this.#mirrored;
  }

  /** Tells of what other requesters change from now on, and lets the mirror follow it. Before, all is read for the first time. */
  tellChanges(): void {
    this.#tells = true;
  }

  /** Begins a pass over the bucket. In a store that was lost, the revisions begin anew, and the records stay to be restored. */
  beginPass(lost: boolean): void {
    this.#missing = new Set(this.memory.names());
    this.#isLost = lost;
    if (!lost) return;
    this.#ahead.clear();
    this.memory.forgetRevisions();
  }

  /** Takes an entry of this kind that the watch has brought, if memory has no newer one. Our own writes come back, too. */
  onEntry(entry: BucketEntry): void {
    if (!entry.key.startsWith(this.prefix)) return;
    const name = this.#nameOf(entry);
    this.#missing?.delete(name);
    this.memory.forgetMarkersBefore(entry.revision);
    if (entry.revision >= (this.#ahead.get(name) ?? 0)) this.#ahead.delete(name);
    this.#takeWatched(name, entry);
    this.#waiting.get(name)?.resolve();
    this.#waiting.delete(name);
  }

  #takeWatched(name: string, entry: BucketEntry): void {
    const known = this.memory.revisionOf(name);
    if (entry.revision <= known) return;
    // A store that was lost may have come back as an older copy, which does not know that this record was written again.
    if (entry.marker && this.#isLost && this.memory.has(name)) this.memory.setRevision(name, entry.revision);
    else this.#take(entry, known);
  }

  /**
   * Ends a pass over the bucket. Returns whether a bucket that was not lost as a whole lacks records that no requester has
   * removed. They stay in memory, to be written again.
   */
  completePass(): boolean {
    const { memory } = this;
    let isShort = false;
    for (const name of this.#missing ?? []) {
      const value = memory.get(name);
      if (value === undefined) continue;
      const isRemoved = !this.#isLost && this.#options.mayVanish?.(name, value) === true;
      if (isRemoved) memory.apply(name, undefined, 0, memory.revisionOf(name));
      else {
        memory.setRevision(name, 0);
        isShort = !this.#isLost;
      }
    }
    this.#missing = undefined;
    this.#isLost = false;
    return isShort;
  }

  /**
   * Forgets the records that the store does not have, because the requester that watches has written again what it had lost:
   * these were deleted before.
   */
  forgetUnstored(): void {
    for (const name of [...this.memory.names()]) {
      const before = this.memory.get(name);
      if (this.memory.revisionOf(name) > 0 || !this.memory.apply(name, undefined, 0, 0) || !this.#tells)
        continue;
      this.#options.onOthersChange?.(name, before, undefined);
    }
  }

  /**
   * Takes what was read from the store, perhaps before the watch brings it and what was written earlier. `known` is the
   * revision that memory had when the store was asked.
   */
  takeRead(entry: BucketEntry, known: number): void {
    if (entry.revision > known) this.#ahead.set(this.#nameOf(entry), entry.revision);
    this.#take(entry, known);
  }

  #take(entry: BucketEntry, known: number): void {
    const name = this.#nameOf(entry);
    const before = this.memory.get(name);
    const value = entry.marker ? undefined : this.memory.read(entry);
    if (value === undefined && !entry.marker) return;
    if (!this.memory.apply(name, value, entry.revision, known) || !this.#tells || this.#isLost) return;
    if (isDeepStrictEqual(before, value)) return;
    const { mirror, onOthersChange } = this.#options;
    const mirrored = value === undefined ? mirror?.remove(name) : mirror?.put(name, value);
    if (mirrored) this.#mirrored = Promise.all([this.#mirrored, mirrored]).then(() => undefined);
    onOthersChange?.(name, before, value);
  }

  #nameOf(entry: BucketEntry): string {
    return entry.key.slice(this.prefix.length);
  }
}
