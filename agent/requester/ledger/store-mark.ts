// The store mark says in the requester's own folder how far the store was, so that an older copy of the store is noticed.
import type { Clock, Timer } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { StateFile } from '../../system/state-file.ts';
import type { Bucket, BucketEntry, BucketState } from '../../transport/port.ts';
import { findOlder, isNewlyRestored } from './older-store.ts';
import { restoredAtMs } from './restore-record.ts';
import { type Mark, type OlderStore, readMark, writeMarkFile } from './store-mark-file.ts';

/** Time after a change until the mark is written, in milliseconds. Many changes are written once. */
const writeAfterMs = 1_000;

export interface StoreMarkOptions {
  path: string;
  clock: Clock;
  log: Log;
  /** The public key of the requesters of this roll, with which they sign; without it no restore of another one is believed. */
  issuer?: string | undefined;
}

export class StoreMark {
  readonly #options: StoreMarkOptions;
  readonly #file: StateFile<Mark | undefined>;
  readonly #limited: LimitedLog;
  /** The newest revision that is known. */
  #revision = 0;
  /** The buckets and streams that were found at this start, until the mark is written. */
  readonly #found = new Set<string>();
  #isCompared = false;
  #timer: Timer | undefined;

  /** Reads the file. @throws MusterError `bad_state` when it cannot be read, so that nobody takes an older store for good. */
  static async open(options: StoreMarkOptions): Promise<StoreMark> {
    return new StoreMark(options, await readMark(options.path));
  }

  private constructor(options: StoreMarkOptions, initial: Mark | undefined) {
    this.#options = options;
    this.#limited = limitedLog(options.log, options.clock);
    this.#file = new StateFile<Mark | undefined>({
      initial,
      write: async mark => mark && (await writeMarkFile(options.path, mark)),
      onWriteError: err => {
        const what = 'how far the store is could not be written; an older copy of it might not be noticed';
        this.#limited.warn('mark', { file: options.path, err }, what);
      },
    });
  }

  /** The older store that was found and that no operator has confirmed; undefined when there is none. */
  get older(): OlderStore | undefined {
    return this.#file.value?.older;
  }

  /** Returns whether this bucket or stream was there at an earlier start, or was found at this one. */
  knows(name: string): boolean {
    return this.#found.has(name) || this.#file.value?.streams?.includes(name) === true;
  }

  /** Notes that this bucket or stream is there. */
  note(name: string): void {
    this.#found.add(name);
    const mark = this.#file.value;
    // Before the comparison, the mark may be that of another cluster.
    if (this.#isCompared && mark && !mark.streams?.includes(name))
      void this.#set({ ...mark, streams: [...(mark.streams ?? []), name] });
  }

  /** Whether the store was restored from a backup, and does not yet say what the ledger says. */
  get isRestored(): boolean {
    return this.#file.value?.restored !== undefined;
  }

  /** Notes that the restored store says what the ledger says. */
  async endRestore(): Promise<void> {
    const { restored, ...mark } = this.#file.value ?? {};
    if (restored) await this.#set({ ...(mark as Mark), revision: this.#revision });
  }

  /**
   * Compares the store with the mark at a start, and begins to follow the store. `state` is that of the bucket before this
   * start wrote to it, and `restore` its entry about a restore. Resolves when what was found is on the disk, or could not be
   * written.
   */
  async compare(cluster: string, state: BucketState, restore?: BucketEntry): Promise<void> {
    const { clock, log, issuer } = this.#options;
    const mark = this.#file.value?.cluster === cluster ? this.#file.value : undefined;
    const store = { ...state, restoredAtMs: issuer ? restoredAtMs(restore, cluster, issuer) : 0 };
    const found = findOlder(mark, cluster, store);
    const at = clock.now().toISOString();
    const isNew = isNewlyRestored(mark, store);
    const older = found ? { at, ...found } : isNew ? undefined : mark?.older;
    const what =
      'the store is older than it was: all join codes are void, and what was decided since is lost, until an operator confirms that: muster store confirm';
    if (found) log.error({ ...found }, what);
    const restored = isNew ? { at } : mark?.restored;
    if (isNew)
      log.warn(
        { restoredAt: new Date(store.restoredAtMs).toISOString() },
        'another requester of this roll has restored the store from a backup: what was decided since that backup is lost, except for what this requester keeps in its ledger',
      );
    this.#revision = state.lastRevision;
    this.#isCompared = true;
    await this.#set({
      cluster,
      created: state.created,
      revision: this.#revision,
      streams: [...new Set([...(mark?.streams ?? []), ...this.#found])],
      ...(older ? { older } : {}),
      ...(restored ? { restored } : {}),
      storeRestoredAtMs: store.restoredAtMs,
      newestRestoreAtMs: Math.max(store.restoredAtMs, mark?.newestRestoreAtMs ?? 0),
    });
  }

  /** Notes that the store began anew while this requester runs, so that its revisions begin anew too. */
  async restart({ created, lastRevision }: BucketState): Promise<void> {
    const mark = this.#file.value;
    if (!mark || mark.created === created) return;
    this.#revision = lastRevision;
    await this.#set({ ...mark, created, revision: lastRevision, storeRestoredAtMs: 0 });
  }

  /** Takes an older store as the right one, because an operator says so. Returns false when there is none. */
  async confirm(): Promise<boolean> {
    const { older, ...mark } = this.#file.value ?? {};
    if (!older) return false;
    await this.#file.setOrThrow({ ...(mark as Mark), revision: this.#revision });
    return true;
  }

  /**
   * Notes that an operator took the older store for the right one at another requester, at this revision. What an older store
   * itself contains confirms nothing. Never rejects.
   */
  async onConfirmed(written: number): Promise<void> {
    if (!this.older || written <= this.older.revision) return;
    const what = 'an operator confirmed at another requester that the older store is the right one';
    try {
      if (await this.confirm()) this.#options.log.warn({}, what);
    } catch (err) {
      this.#limited.warn('confirm', { err }, 'that the older store is the right one could not be written');
    }
  }

  /**
   * Returns the bucket `muster_v1`, whose writes the mark follows, those of other requesters too. `isLease` is for writes that
   * come all the time.
   */
  follow(bucket: Bucket, { isLease = false } = {}): Bucket {
    const observed = observeWrites(bucket, written => {
      if (written > this.#revision) this.#revision = written;
      if (!isLease) this.touch();
    });
    const onEntry = ({ revision: written }: BucketEntry) => {
      if (written <= this.#revision) return;
      this.#revision = written;
      this.touch();
    };
    return {
      ...observed,
      watch: (fn, passes) =>
        bucket.watch(entry => {
          onEntry(entry);
          fn(entry);
        }, passes),
    };
  }

  /** Returns a bucket that is not `muster_v1`. Each write to it has the mark written, too. */
  touchedBy(bucket: Bucket): Bucket {
    return observeWrites(bucket, () => this.touch());
  }

  /** Plans to write the mark, because something changed in the store. */
  touch(): void {
    this.#timer ??= this.#options.clock.after(writeAfterMs, () => void this.write());
  }

  /** Writes the mark if it has changed. Never rejects. */
  async write(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const mark = this.#file.value;
    if (mark) await this.#set({ ...mark, revision: this.#revision });
  }

  #set(mark: Mark): Promise<void> {
    return this.#file.set(mark);
  }
}

/** Returns the bucket with a function that is called after each write, with its revision. */
function observeWrites(bucket: Bucket, onWritten: (revision: number) => void): Bucket {
  const observed = async (write: Promise<number>): Promise<number> => {
    const written = await write;
    onWritten(written);
    return written;
  };
  return {
    state: () => bucket.state(),
    get: key => bucket.get(key),
    watch: (...args) => bucket.watch(...args),
    put: (...args) => observed(bucket.put(...args)),
    purge: (...args) => observed(bucket.purge(...args)),
    remove: (...args) => bucket.remove(...args),
  };
}
