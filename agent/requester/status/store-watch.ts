// The store watch remembers whether the store carries out what the requester writes to it.
import { BrokerError, type Bucket, type EventStream, type Storage } from '../../transport/port.ts';
import type { StorePart } from './store-fault.ts';

/**
 * What is written. A failed record is not always written again, but the lease is renewed all the time. So both count as
 * one, and the next write of either shows that the store works again.
 */
type Written = 'records' | 'events';

/** Why something could not be stored, and where. */
export interface StoreFailure {
  readonly part: StorePart;
  readonly error: BrokerError;
}

export class StoreWatch {
  readonly #failures = new Map<Written, BrokerError>();
  readonly #onChange: () => void;

  /** `onChange` is called when the store begins to fail, works again, or fails for another reason. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Why the last write failed; undefined when it succeeded. A lost connection is not a failure of the store. */
  get failure(): StoreFailure | undefined {
    const records = this.#failures.get('records');
    const events = this.#failures.get('events');
    if (records) return { part: 'the node info store', error: records };
    return events && { part: 'the event stream', error: events };
  }

  /** Returns the storage with this watch over each write. */
  watch(storage: Storage): Storage {
    return {
      bucket: async config => this.#watchBucket(await storage.bucket(config)),
      stream: async config => this.#watchStream(await storage.stream(config)),
      replicas: stream => storage.replicas(stream),
      reopen: stream => storage.reopen(stream),
      readAgain: () => storage.readAgain(),
    };
  }

  #watchBucket(bucket: Bucket): Bucket {
    return {
      state: () => bucket.state(),
      get: key => bucket.get(key),
      put: (key, value, revision) => this.#follow('records', bucket.put(key, value, revision)),
      purge: (key, revision, headers) => this.#follow('records', bucket.purge(key, revision, headers)),
      remove: (key, revision) => this.#follow('records', bucket.remove(key, revision)),
      watch: (fn, passes) => bucket.watch(fn, passes),
    };
  }

  #watchStream(stream: EventStream): EventStream {
    return {
      publish: (...args) => this.#follow('events', stream.publish(...args)),
      publishBatch: (...args) => this.#follow('events', stream.publishBatch(...args)),
      lastPerSubject: (filters, fn) => stream.lastPerSubject(filters, fn),
      fill: () => stream.fill(),
      removedAfter: sequence => stream.removedAfter(sequence),
      newest: subject => stream.newest(subject),
      oldest: filter => stream.oldest(filter),
      removeBefore: (filter, sequence) => stream.removeBefore(filter, sequence),
      follow: (options, fn) => stream.follow(options, fn),
      durables: prefix => stream.durables(prefix),
      ensureDurable: durable => stream.ensureDurable(durable),
      removeDurable: name => stream.removeDurable(name),
    };
  }

  /** Notes that the store has carried out a write of records, which another requester made. */
  onOthersWrite(): void {
    this.#note('records', undefined);
  }

  async #follow<T>(written: Written, write: Promise<T>): Promise<T> {
    try {
      const result = await write;
      this.#note(written, undefined);
      return result;
    } catch (error) {
      if (error instanceof BrokerError && error.fault !== 'disconnected') {
        // The store answers a conflict of revisions, so it works.
        this.#note(written, error.fault === 'revision_conflict' ? undefined : error);
      }
      throw error;
    }
  }

  #note(written: Written, failure: BrokerError | undefined): void {
    const before = this.#failures.get(written);
    if (failure) this.#failures.set(written, failure);
    else this.#failures.delete(written);
    if (before?.fault !== failure?.fault) this.#onChange();
  }
}
