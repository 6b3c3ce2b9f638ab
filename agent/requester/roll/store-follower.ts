// Follows the node info store, to see the changes of other writers and the loss of records.
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import { type Clock, endsWithin } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError, type Bucket, type BucketEntry } from '../../transport/port.ts';
import type { RollPolicy } from './admission.ts';
import { CurrentRecords, type OnLoaded } from './current-records.ts';
import { HeldMarkers, unknownNewId } from './held-markers.ts';
import { OwnWrites } from './own-writes.ts';
import type { Records } from './record-table.ts';
import type { ChangeAnnouncer, RollObserver } from './roll-observer.ts';
import { isNodeKey, readEntry } from './store.ts';
import { StoreComparison } from './store-comparison.ts';
import type { StoreLife } from './store-life.ts';
import { type AnnouncedMembership, absentRecord, type StoredRecord } from './stored-record.ts';
import { UnreadableLog } from './unreadable-log.ts';

/** Time that a revision may take to come by the watch, in milliseconds. */
const watchTimeoutMs = 10_000;

export interface StoreFollowerOptions {
  bucket: Bucket;
  life: StoreLife;
  clock: Clock;
  log: Log;
  /** The policy. It is read at each comparison, so that a reload takes effect. */
  policy: RollPolicy;
  announcer: ChangeAnnouncer;
  /** The observers, which are called in this order. */
  observers: readonly RollObserver[];
  /** Called with each record that was taken into memory, before the observers are. `before` is the one it replaces. */
  onApplied(id: string, stored: StoredRecord, before: NodeState | undefined): void;
  /** Called when the store lost entries, or all of them. The caller then restores the data that is not about nodes. */
  onStoreLost(): void;
  /** Returns what was announced last of each node. @throws BrokerError */
  readAnnounced(): Promise<ReadonlyMap<string, AnnouncedMembership>>;
  /** Repeats `work` until the broker carries it out, or the requester stops. */
  persist(work: () => Promise<void>): Promise<void>;
  /** Called when the number of lost records has changed. */
  onLossesChange?(): void;
}

export class StoreFollower {
  readonly #options: StoreFollowerOptions;
  readonly #current: CurrentRecords;
  readonly #comparison: StoreComparison;
  readonly #unreadable: UnreadableLog;
  /** What this requester is writing. */
  readonly ownWrites = new OwnWrites();
  /** During a pass over the store, the ids that have not come yet; otherwise undefined. */
  #missing: Set<string> | undefined;
  /** During a pass over a store that was lost, what memory had before; otherwise undefined. */
  #lost: Map<string, StoredRecord> | undefined;
  /** During a pass, the markers of renamed nodes whose new records have not come. */
  readonly #held = new HeldMarkers();
  /** During a pass, the ids for which the store has an older revision than memory. */
  readonly #older = new Set<string>();
  /** The newest revision that was seen in this life of the store. */
  #newestRevision = 0;
  /** The newest revision that the watch has brought, and who waits for a later one. */
  #watchedRevision = 0;
  readonly #watchers = new Set<{ revision: number; resolve(): void }>();
  /** That revision when the pass began. */
  #newestBefore = 0;
  /** Number of keys that the last pass found and that are no node ids. */
  #otherKeys = 0;
  /** Whether a pass over the store was asked for, and has not ended. */
  #isReadingAgain = false;
  #watch: { stop(): void; restart(): void } | undefined;

  constructor(options: StoreFollowerOptions) {
    this.#options = options;
    const { life, policy } = options;
    this.#unreadable = new UnreadableLog(options);
    this.#comparison = new StoreComparison({
      ...options,
      readContext: async () => ({ incarnation: await life.find(), manualApproval: policy.manualApproval }),
      onChange: () => options.onLossesChange?.(),
    });
    this.#current = new CurrentRecords({
      ...options,
      comparison: this.#comparison,
      onApplied: (id, stored, before) => {
        this.#missing?.delete(id);
        this.#newestRevision = Math.max(this.#newestRevision, stored.revision);
        if (stored.kind === 'unreadable') this.#unreadable.add(id);
        options.onApplied(id, stored, before);
      },
    });
  }

  /** The records of all nodes, as the store has them. */
  get records(): Records {
    return this.#current.table;
  }

  /** The nodes whose records the store lost, with what was announced of each. */
  get lost(): ReadonlyMap<string, AnnouncedMembership> {
    return this.#comparison.lost;
  }

  /** Whether the store is compared with the events now, so that nobody knows what it lost. */
  get isComparing(): boolean {
    return this.#comparison.isDue;
  }

  /** Number of keys of the store that are known: records, deletion markers and keys of other programs. */
  get knownKeys(): number {
    return this.records.written + this.#otherKeys;
  }

  /** Reads the store and then follows it. @throws BrokerError */
  async load(onLoaded: OnLoaded): Promise<void> {
    // It is set to undefined after the first pass, because the callback may hold the whole event history.
    let onFirst: OnLoaded | undefined = onLoaded;
    await this.#comparison.start();
    const watch = await this.#options.bucket.watch(entry => this.#onEntry(entry, onFirst), {
      begin: ({ lost }) => this.#beginPass(lost),
      complete: () => this.#completePass(),
    });
    this.#watch = watch;
    await watch.ready;
    onFirst = undefined;
    await this.#runComparison();
  }

  /** Reads the store again from its beginning, because it seems to have lost records. */
  readAgain(): void {
    if (this.#isReadingAgain) return;
    this.#isReadingAgain = true;
    this.#watch?.restart();
  }

  /** Ends the watch of the store. */
  stop(): void {
    this.#watch?.stop();
  }

  /** Waits until the store was compared with the events. @throws BrokerError `timeout` when it takes too long. */
  async compared(): Promise<void> {
    await this.#comparison.ended();
  }

  /**
   * Waits until the watch has brought this revision of a record, and so all before it. @throws BrokerError `timeout` when it
   * takes too long.
   */
  async watched(revision: number): Promise<void> {
    if (this.#watchedRevision >= revision) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher = { revision, resolve };
    this.#watchers.add(watcher);
    const isInTime = await endsWithin(this.#options.clock, watchTimeoutMs, promise);
    this.#watchers.delete(watcher);
    if (!isInTime)
      throw new BrokerError('timeout', `the watch of the store did not bring revision ${revision} in time`);
  }

  /**
   * Applies what a read of the store found under `id`, and returns what counts as stored there; undefined while the store
   * is compared with the events.
   */
  applyRead(id: string, entry: BucketEntry | undefined): StoredRecord | undefined {
    const former = this.records.stored(id);
    // A store gives no smaller revision than before, unless it was lost or purged.
    if ((entry?.revision ?? 0) < former.revision) {
      this.#options.life.doubt({ lost: false });
      this.#comparison.require();
      this.readAgain();
    }
    if (this.#comparison.isDue) return undefined;
    if (!entry) return this.#comparison.judge(id, absentRecord);
    this.#current.applyEntry(entry, readEntry(entry), former);
    // An older record that came back is in the store, and another one counts in its place.
    return this.records.stored(id);
  }

  /** Applies what reads of the store found under several ids, so that no reader sees the one without the other. */
  applyReads(entries: readonly BucketEntry[]): void {
    for (const entry of entries) this.applyRead(entry.key, entry);
  }

  /** Returns the new id of a renamed node that memory knows only under `id`, where the store has `stored`. */
  unknownNewId(id: string, stored: StoredRecord): string | undefined {
    return unknownNewId(this.records, id, stored);
  }

  /** Applies a record that this requester wrote, and announces its change. */
  applyWrite(id: string, stored: StoredRecord, change: RecordedChange | undefined): void {
    this.#current.apply(id, stored, change ? [change] : []);
  }

  /** Forgets a marker that this requester removed from the store. */
  forgetMarker(id: string): void {
    this.#current.remove(id);
  }

  #onEntry(entry: BucketEntry, onFirst: OnLoaded | undefined): void {
    const { key } = entry;
    this.#noteWatched(entry.revision);
    if (!isNodeKey(key)) {
      if (this.#missing) this.#otherKeys++;
      if (!entry.marker) this.#unreadable.addForeign(key);
      return;
    }
    this.#missing?.delete(key);
    // Our own writes come back here, and a watch that starts again sends every entry again.
    const former = this.records.stored(key);
    if (former.revision > entry.revision) this.#older.add(key);
    if (former.revision >= entry.revision) return;
    // A marker that was removed may have come back, or the record that it replaced.
    const mayBeOlder =
      this.#missing !== undefined && former.revision === 0 && entry.revision <= this.#newestBefore;
    if (mayBeOlder && !onFirst) this.#comparison.require();
    if (onFirst) this.#current.load(entry, onFirst);
    else if (this.#missing || !this.ownWrites.take(entry)) this.#applyWatched(entry, { mayBeOlder });
  }

  #applyWatched(entry: BucketEntry, { mayBeOlder }: { mayBeOlder: boolean }): void {
    const { key } = entry;
    const stored = readEntry(entry);
    const newId = this.#missing && unknownNewId(this.records, key, stored);
    if (newId !== undefined) this.#held.hold(newId, entry);
    else this.#current.applyEntry(entry, stored, this.#formerOf(key), { mayBeOlder });
    this.#applyHeld(this.#held.release(key, stored));
  }

  #applyHeld(markers: readonly BucketEntry[]): void {
    for (const marker of markers)
      this.#current.applyEntry(marker, readEntry(marker), this.#formerOf(marker.key));
  }

  #formerOf(id: string): StoredRecord {
    return this.#lost?.get(id) ?? this.records.stored(id);
  }

  // An entry is applied right after it was noted, before anybody who waits goes on.
  #noteWatched(revision: number): void {
    this.#watchedRevision = Math.max(this.#watchedRevision, revision);
    for (const watcher of this.#watchers) if (watcher.revision <= this.#watchedRevision) watcher.resolve();
  }

  #beginPass(lost: boolean): void {
    this.#older.clear();
    if (lost) this.#newestRevision = 0;
    if (lost) this.#watchedRevision = 0;
    this.#newestBefore = this.#newestRevision;
    this.#otherKeys = 0;
    this.#unreadable.beginReading();
    // The older records of lost nodes may be gone too.
    for (const id of this.#comparison.lost.keys()) this.#current.forgetRevision(id);
    this.#missing = new Set(this.records.ids());
    if (!lost) return;
    this.#options.life.doubt({ lost });
    this.#comparison.require();
    if (this.#missing.size === 0) return;
    const text = 'the node info store was lost; nodes that no operator decided about register again';
    this.#options.log.warn({}, text);
    this.#lost = new Map();
    for (const id of this.#missing) {
      this.#lost.set(id, this.records.stored(id));
      this.#current.remove(id);
    }
    this.#options.onStoreLost();
  }

  #completePass(): void {
    this.#isReadingAgain = false;
    this.#applyHeld(this.#held.releaseAll());
    this.#unreadable.endReading();
    const isShort = (this.#missing?.size ?? 0) > 0 || this.#older.size > 0;
    if (isShort) this.#comparison.require();
    for (const id of this.#missing ?? []) this.#current.remove(id);
    // The requester's own record may be among them. For a store that is lost as a whole, the beginning of the pass called
    // it.
    if (isShort && !this.#lost) this.#options.onStoreLost();
    this.#missing = undefined;
    this.#lost = undefined;
    if (this.#comparison.isDue) void this.#compare([...this.#older]);
  }

  // Compares the store with what was announced. `older` are ids for which the store has an older revision than memory.
  async #compare(older: readonly string[]): Promise<void> {
    const { bucket, persist, log } = this.#options;
    const work = async () => {
      for (const id of older) {
        const entry = await bucket.get(id);
        if ((entry?.revision ?? 0) >= this.records.stored(id).revision) continue;
        this.#current.remove(id);
        if (entry) this.#current.apply(id, readEntry(entry), []);
      }
      await this.#runComparison();
    };
    await persist(work).catch(error =>
      log.error({ err: error }, 'the store cannot be compared with its events'),
    );
  }

  async #runComparison(): Promise<void> {
    await this.#comparison.run(
      id => this.records.stored(id),
      (id, judged) => this.#replace(id, judged),
    );
  }

  #replace(id: string, judged: StoredRecord): void {
    const before = this.records.get(id);
    this.#current.replace(id, judged);
    this.#options.onApplied(id, judged, before);
  }
}
