// The buckets of one connection to a broker in memory, and what watches them.
import {
  BrokerError,
  type Bucket,
  type BucketConfig,
  type BucketEntry,
  type WatchPasses,
} from '../../agent/transport/port.ts';
import { later, type StoreAccess } from './fake-store.ts';

interface Watcher {
  bucket: string;
  fn: (entry: BucketEntry) => void;
  passes: WatchPasses | undefined;
  incarnation: number;
  stopped: boolean;
}

export class FakeBuckets {
  readonly #access: StoreAccess;
  readonly #names = new Set<string>();
  readonly #watchers = new Set<Watcher>();

  constructor(access: StoreAccess) {
    this.#access = access;
  }

  /** Opens a bucket, and makes it if there is none. */
  async open(config: BucketConfig): Promise<Bucket> {
    const { name } = config;
    const { store } = this.#access;
    const operate: StoreAccess['operate'] = (...args) => this.#access.operate(...args);
    await operate('bucket', name, () => store.openBucket(name));
    this.#names.add(name);
    const write = (key: string, value: Uint8Array, revision: number, marker?: Record<string, string>) => {
      const bucket = store.openBucket(name);
      const newest = bucket.entries.get(key)?.revision ?? 0;
      if (newest !== revision)
        throw new BrokerError(
          'revision_conflict',
          `${name}/${key} is at revision ${newest}, not ${revision}`,
        );
      const entry: BucketEntry = {
        key,
        value: marker ? new Uint8Array() : Uint8Array.from(value),
        revision: ++bucket.revision,
        marker: marker !== undefined,
        headers: { ...marker },
        created: store.clock.now(),
      };
      // The old entry is deleted first, so that the map has the order of the revisions, as a stream does.
      bucket.entries.delete(key);
      bucket.entries.set(key, entry);
      store.announce(name, entry);
      return entry.revision;
    };
    return {
      state: () =>
        operate('state', name, () => {
          const { incarnation, revision, entries } = store.openBucket(name);
          return { created: String(incarnation), lastRevision: revision, keys: entries.size };
        }),
      get: key => operate('get', key, () => store.openBucket(name).entries.get(key)),
      put: (key, value, revision) => operate('put', key, () => write(key, value, revision)),
      purge: (key, revision, headers) =>
        operate('purge', key, () => write(key, new Uint8Array(), revision, headers)),
      remove: (key, revision) =>
        operate('remove', key, () => {
          const { entries } = store.openBucket(name);
          if ((entries.get(key)?.revision ?? 0) <= revision) entries.delete(key);
        }),
      watch: (onEntry, passes) =>
        operate('watch', name, () => {
          const fn = (entry: BucketEntry) => {
            if ((passes?.prefixes ?? ['']).some(prefix => entry.key.startsWith(prefix))) onEntry(entry);
          };
          const watcher: Watcher = { bucket: name, fn, passes, incarnation: 0, stopped: false };
          this.#watchers.add(watcher);
          const ready = this.#pass(watcher);
          const stop = () => {
            watcher.stopped = true;
            this.#watchers.delete(watcher);
          };
          return { ready, stop, restart: () => void this.#pass(watcher) };
        }),
    };
  }

  /** Opens each bucket again, which the broker may have lost. */
  reopen(): void {
    for (const name of this.#names) this.#access.store.openBucket(name);
  }

  /** Begins another pass of each watch. */
  resume(): void {
    for (const watcher of this.#watchers) this.#pass(watcher);
  }

  /** Passes a new entry to those who watch its bucket. */
  notify(bucket: string, entry: BucketEntry): void {
    for (const watcher of this.#watchers) {
      if (watcher.bucket === bucket) later(() => !watcher.stopped && watcher.fn(entry));
    }
  }

  /** Ends each watch. */
  close(): void {
    this.#watchers.clear();
  }

  #pass(watcher: Watcher): Promise<void> {
    const bucket = this.#access.store.openBucket(watcher.bucket);
    const lost = watcher.incarnation !== 0 && watcher.incarnation !== bucket.incarnation;
    watcher.incarnation = bucket.incarnation;
    const entries = [...bucket.entries.values()];
    return new Promise(resolve =>
      later(() => {
        if (watcher.stopped) return;
        watcher.passes?.begin?.({ lost });
        for (const entry of entries) watcher.fn(entry);
        watcher.passes?.complete?.();
        resolve();
      }),
    );
  }
}
