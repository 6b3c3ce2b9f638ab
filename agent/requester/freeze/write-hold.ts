// Holds the writes of this requester back for a moment, so that the store stands still. The writes wait, and are made afterwards.
import type { Bucket, EventStream, Storage } from '../../transport/port.ts';
import type { FreezeKind } from './freeze-record.ts';

export class WriteHold {
  readonly #holds: Record<FreezeKind, KindHold> = { records: new KindHold(), events: new KindHold() };
  readonly #reads = new KindHold();

  /**
   * Returns the storage whose writes can be held. All writes of the requester pass here, those of its lease too. To open a bucket
   * or a stream is a write, because one that is not found is made.
   */
  guard(storage: Storage): Storage {
    return {
      bucket: async config => this.#holdBucket(await this.#holds.records.pass(() => storage.bucket(config))),
      stream: async config =>
        holdStream(await this.#holds.events.pass(() => storage.stream(config)), this.#holds.events),
      replicas: stream => storage.replicas(stream),
      reopen: stream => storage.reopen(stream),
      readAgain: () => storage.readAgain(),
    };
  }

  /** Whether writes of this kind are held. */
  isHeld(kind: FreezeKind): boolean {
    return this.#holds[kind].isHeld;
  }

  /** Holds all further writes of this kind, and with `reads` also reads of records, until `end`. */
  begin(kind: FreezeKind, { reads }: { reads: boolean }): void {
    this.#holds[kind].begin();
    if (kind === 'records' && reads) this.#reads.begin();
  }

  /** Resolves when the writes of this kind have ended that began before the hold. */
  quiet(kind: FreezeKind): Promise<void> {
    return this.#holds[kind].quiet();
  }

  /** Lets the writes go on. */
  end(kind: FreezeKind): void {
    this.#holds[kind].end();
    if (kind === 'records') this.#reads.end();
  }

  #holdBucket(bucket: Bucket): Bucket {
    const hold = this.#holds.records;
    return {
      state: () => bucket.state(),
      get: key => this.#reads.pass(() => bucket.get(key)),
      watch: (...args) => bucket.watch(...args),
      put: (...args) => hold.pass(() => bucket.put(...args)),
      purge: (...args) => hold.pass(() => bucket.purge(...args)),
      remove: (...args) => hold.pass(() => bucket.remove(...args)),
    };
  }
}

class KindHold {
  #held: PromiseWithResolvers<void> | undefined;
  #underWay = 0;
  #onQuiet: (() => void)[] = [];

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.#held) await this.#held.promise;
    this.#underWay++;
    try {
      return await work();
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) for (const resolve of this.#onQuiet.splice(0)) resolve();
    }
  }

  begin(): void {
    this.#held ??= Promise.withResolvers<void>();
  }

  end(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  quiet(): Promise<void> {
    return this.#underWay === 0 ? Promise.resolve() : new Promise(resolve => this.#onQuiet.push(resolve));
  }
}

const holdStream = (stream: EventStream, hold: KindHold): EventStream => ({
  publish: (...args) => hold.pass(() => stream.publish(...args)),
  publishBatch: (...args) => hold.pass(() => stream.publishBatch(...args)),
  removeBefore: (...args) => hold.pass(() => stream.removeBefore(...args)),
  ensureDurable: (...args) => hold.pass(() => stream.ensureDurable(...args)),
  removeDurable: (...args) => hold.pass(() => stream.removeDurable(...args)),
  durables: (...args) => stream.durables(...args),
  fill: () => stream.fill(),
  removedAfter: (...args) => stream.removedAfter(...args),
  newest: (...args) => stream.newest(...args),
  oldest: (...args) => stream.oldest(...args),
  lastPerSubject: (...args) => stream.lastPerSubject(...args),
  follow: (...args) => stream.follow(...args),
});
