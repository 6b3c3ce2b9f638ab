// The part of port.ts that stores keys and values: a bucket of the broker, and what a watch of it brings.

export interface BucketConfig {
  name: string;
  /** Number of revisions of each key that are stored. Bacalhau's bucket stores 1. */
  history: 1;
  /** Whether it was there at an earlier start. A cluster that does not find it is not believed then. */
  isKnown?: boolean | undefined;
  /** The stream that is made only when this bucket is there. A cluster that has that one has had the bucket. */
  precedes?: string | undefined;
}

/** One revision of one key. `marker` is true for a deleted or purged key, which has an empty value. */
export interface BucketEntry {
  key: string;
  /** The value, which may be a part of a larger buffer: who keeps it makes a copy. Empty for a marker. */
  value: Uint8Array;
  revision: number;
  marker: boolean;
  /** The headers of a marker besides the broker's own, such as the reason of a purge. */
  headers: Record<string, string>;
  created: Date;
}

export interface BucketState {
  /** The time of creation, as the broker writes it; empty in a cluster, whose servers do not agree about it. */
  created: string;
  /** The newest revision that was ever given; 0 when there is none. It is smaller after a backup was restored. */
  lastRevision: number;
  /** Number of keys, with the deleted ones that left a marker. */
  keys: number;
}

/**
 * A key-value bucket. All methods throw BrokerError `timeout`, `disconnected` or `refused`; those that write also throw
 * `revision_conflict`, `write_under_way` and `no_space`.
 */
export interface Bucket {
  /** Returns what tells this bucket from an earlier one of its name, and from an older state of itself. */
  state(): Promise<BucketState>;
  /** Returns the newest revision of `key`, which may be a marker; undefined when the key was never written. */
  get(key: string): Promise<BucketEntry | undefined>;
  /**
   * Writes `value` if the newest revision is `revision`. 0 means that the key was never written; a marker counts as
   * written. Returns the new revision.
   */
  put(key: string, value: Uint8Array, revision: number): Promise<number>;
  /**
   * Purges `key` if its newest revision is `revision`, and leaves a marker with `headers`. Returns the marker's revision.
   */
  purge(key: string, revision: number, headers: Record<string, string>): Promise<number>;
  /**
   * Removes the entries of `key` up to `revision` for good, and leaves no marker. A newer entry stays. A watch does not
   * hear of it.
   */
  remove(key: string, revision: number): Promise<void>;
  /**
   * Calls `fn` with the newest revision of every key, including markers, and then with each write. After a reconnection
   * all keys come again, so `fn` may get a revision twice. But it never misses a write, and the order is right. `ready`
   * resolves at the end of the first pass. It rejects with BrokerError `disconnected` when the watch is stopped or the
   * connection is closed earlier.
   */
  watch(fn: (entry: BucketEntry) => void, passes?: WatchPasses): Promise<BucketWatch>;
}

export interface BucketWatch {
  ready: Promise<void>;
  stop(): void;
  /** Begins another pass over all keys. */
  restart(): void;
}

/** What a watch covers, and callbacks for a watcher that must notice the loss of the store. */
export interface WatchPasses {
  /** The beginnings of the keys to watch, up to and with their last dot, such as `seen.`; all keys by default. */
  prefixes?: readonly string[];
  /**
   * Called before each pass over all keys. `lost` is true when the bucket was created again since the last pass. Then its
   * revisions start again, and a key that does not come in this pass is gone.
   */
  begin?(pass: { lost: boolean }): void;
  /** Called at the end of each pass. After it, each write comes when it happens. */
  complete?(): void;
}
