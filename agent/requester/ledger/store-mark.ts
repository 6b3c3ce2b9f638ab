// The store mark says in the requester's own folder how far the store was, so that an older copy of the store is noticed.
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { StateFile } from '../../system/state-file.ts';
import type { Bucket, BucketEntry, BucketState } from '../../transport/port.ts';
import { restoredAtMs } from './restore-record.ts';

export const storeMarkFileName = 'store-mark.json';

const revision = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(128));
const schema = v.object({
  version: v.literal(1),
  cluster: text,
  /** The time of creation of the bucket `muster_v1`, as the broker writes it, empty in a cluster, and its newest revision. */
  created: text,
  revision,
  /** The buckets and streams that were there. A cluster that does not find one of them is not believed. */
  streams: v.optional(v.pipe(v.array(text), v.maxLength(16))),
  /** When an older store was found, and how far it was; until an operator confirms it. */
  older: v.optional(v.object({ at: text, revision, expected: revision })),
  /** When the store was restored from a backup; until the first start has made it say what the ledger says. */
  restored: v.optional(v.object({ at: text })),
  /** The restore that the store names, and the newest one that any store has named, in milliseconds since 1970. */
  storeRestoredAtMs: v.optional(revision),
  newestRestoreAtMs: v.optional(revision),
});
export type Mark = Omit<v.InferOutput<typeof schema>, 'version'>;
export type OlderStore = NonNullable<Mark['older']>;

/** Time after a change until the mark is written, in milliseconds. Many changes are written once. */
const writeAfterMs = 1_000;

/** A store as a start finds it: the state of the bucket before this start wrote to it, and the restore that it names. */
type FoundStore = Pick<BucketState, 'created' | 'lastRevision'> & { restoredAtMs?: number };

/** Returns whether a requester of the roll restored this store on purpose since the mark was written. */
const isNewlyRestored = (mark: Mark | undefined, { restoredAtMs = 0 }: FoundStore): boolean =>
  mark !== undefined && restoredAtMs > (mark.newestRestoreAtMs ?? 0);

/**
 * Compares a store with its mark. Returns the revision of an older store and the one that it should have; undefined when the
 * store is not older.
 */
export function findOlder(
  mark: Mark | undefined,
  cluster: string,
  store: FoundStore,
): Pick<OlderStore, 'revision' | 'expected'> | undefined {
  // The store of another cluster is not an older one, and neither is one that began anew.
  if (!mark || mark.cluster !== cluster || isNewlyRestored(mark, store)) return undefined;
  const { created, lastRevision, restoredAtMs = 0 } = store;
  const isEarlier = Date.parse(created) < Date.parse(mark.created);
  // A cluster names no time of creation, and makes no new store by itself.
  const isSame = created === mark.created || created === '' || mark.created === '';
  // Before a restore the store may have been further than it is now.
  const isBeforeRestore = restoredAtMs < (mark.storeRestoredAtMs ?? 0);
  const isBehind = isSame && (isBeforeRestore || lastRevision < mark.revision);
  return isEarlier || isBehind ? { revision: lastRevision, expected: mark.revision } : undefined;
}

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

/** Reads the file at `path`; undefined when there is none. @throws MusterError `bad_state` */
async function readMark(path: string): Promise<Mark | undefined> {
  const kept = await readOwnFile(path);
  if (!kept) return undefined;
  try {
    return parseMark(kept.data);
  } catch (cause) {
    throw new MusterError('bad_state', `${path} cannot be read: it says how far the store was`, {
      hint: 'restore it from a backup, or remove it: then an older copy of the store is not noticed at the next start',
      cause,
    });
  }
}

/** Reads the content of the file. @throws ProtocolError */
export function parseMark(data: Uint8Array): Mark {
  const { version: _, ...mark } = validate(schema, parseJson(data));
  return mark;
}

/** Writes the file. @throws MusterError `not_writable` */
export const writeMarkFile = (path: string, mark: Mark): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify({ version: 1, ...mark })}\n`);
