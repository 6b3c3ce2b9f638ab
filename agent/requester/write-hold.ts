// Holds writes back for a moment, so that a copy of the store shows one moment. The writes wait, and are made afterwards.
import type { Clock, Timer } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import type { Bucket, EventStream, Storage } from '../transport/port.ts';

/** What can be held: the records in the buckets, and the events. */
export const heldKinds = ['records', 'events'] as const;
export type HeldKind = (typeof heldKinds)[number];

/**
 * The longest time that something is held, in milliseconds. Nodes and operators wait for a record; nobody waits for an event.
 * A hold ends by itself, because who asked for it may have been killed.
 */
const longestHoldMs: Readonly<Record<HeldKind, number>> = { records: 10_000, events: 120_000 };

/** Time that writes have to end which began before the hold, in milliseconds. */
const untilQuietMs = 3_000;

export class WriteHold {
  readonly #clock: Clock;
  readonly #kinds: Record<HeldKind, KindHold>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#kinds = { records: new KindHold(), events: new KindHold() };
  }

  /** Returns the storage whose writes can be held. All writes of the requester but those of its lease pass here. */
  guard(storage: Storage): Storage {
    return {
      bucket: async config => holdBucket(await storage.bucket(config), this.#kinds.records),
      stream: async config => holdStream(await storage.stream(config), this.#kinds.events),
      replicas: stream => storage.replicas(stream),
    };
  }

  /**
   * Holds all further writes of this kind until `end`, or for `longestHoldMs`. Resolves when those that had begun have ended.
   * @throws MusterError `conflict` when they are held already, `failed` when they do not end; then this holds nothing
   */
  async begin(kind: HeldKind): Promise<void> {
    const hold = this.#kinds[kind];
    // The end of one hold would end the other one, and its copy would show two moments.
    if (hold.isHeld)
      throw new MusterError('conflict', 'another backup of this requester is being made', {
        hint: 'wait until it has ended; one that was killed counts for two minutes',
      });
    hold.begin(this.#clock, longestHoldMs[kind]);
    const tooLate = Promise.withResolvers<'late'>();
    const timer = this.#clock.after(untilQuietMs, () => tooLate.resolve('late'));
    const outcome = await Promise.race([hold.quiet(), tooLate.promise]);
    timer.cancel();
    if (outcome !== 'late') return;
    hold.end();
    throw new MusterError('failed', 'a write to the store does not end, so the store cannot be copied now', {
      hint: 'see what is wrong with the store: muster status',
    });
  }

  /** Lets the writes go on. */
  end(kind: HeldKind): void {
    this.#kinds[kind].end();
  }
}

class KindHold {
  #held: PromiseWithResolvers<void> | undefined;
  #timer: Timer | undefined;
  #underWay = 0;
  #onQuiet: (() => void)[] = [];

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  async pass<T>(write: () => Promise<T>): Promise<T> {
    while (this.#held) await this.#held.promise;
    this.#underWay++;
    try {
      return await write();
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) for (const resolve of this.#onQuiet.splice(0)) resolve();
    }
  }

  begin(clock: Clock, maxMs: number): void {
    this.#held = Promise.withResolvers<void>();
    this.#timer = clock.after(maxMs, () => this.end());
  }

  end(): void {
    this.#timer?.cancel();
    this.#held?.resolve();
    this.#held = undefined;
  }

  quiet(): Promise<void> {
    return this.#underWay === 0 ? Promise.resolve() : new Promise(resolve => this.#onQuiet.push(resolve));
  }
}

const holdBucket = (bucket: Bucket, hold: KindHold): Bucket => ({
  state: () => bucket.state(),
  get: key => bucket.get(key),
  watch: (...args) => bucket.watch(...args),
  put: (...args) => hold.pass(() => bucket.put(...args)),
  purge: (...args) => hold.pass(() => bucket.purge(...args)),
  remove: (...args) => hold.pass(() => bucket.remove(...args)),
});

const holdStream = (stream: EventStream, hold: KindHold): EventStream => ({
  publish: (...args) => hold.pass(() => stream.publish(...args)),
  removeBefore: (...args) => hold.pass(() => stream.removeBefore(...args)),
  ensureDurable: (...args) => hold.pass(() => stream.ensureDurable(...args)),
  removeDurable: (...args) => hold.pass(() => stream.removeDurable(...args)),
  durables: (...args) => stream.durables(...args),
  fill: () => stream.fill(),
  oldest: (...args) => stream.oldest(...args),
  lastPerSubject: (...args) => stream.lastPerSubject(...args),
  follow: (...args) => stream.follow(...args),
});
