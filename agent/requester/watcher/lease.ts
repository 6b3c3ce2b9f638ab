// The lease says which of the requesters of a roll watches: that one announces and tidies. The others stand by, and one of
// them takes the lease when its holder has not renewed it for a while.
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { leaseSubject } from '../../protocol/subjects.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { Random } from '../../system/random.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import {
  BrokerError,
  type Bucket,
  type BucketEntry,
  type Connection,
  isRevisionConflict,
  type Subscription,
} from '../../transport/port.ts';
import { decode, encode, ensureClusterId } from '../cluster/cluster-bucket.ts';
import { type Holder, holderSchema, notWatching, unknownHolder } from './holder.ts';
import { HolderSilence, type HolderSilenceOptions, leaseTimesMs } from './holder-silence.ts';

const leaseKey = 'lease';

/** How often the lease is looked at because somebody says that its holder stops. */
const leavingLimits = { burst: 4, refillMs: 1_000 };

export interface LeaseOptions extends HolderSilenceOptions {
  /** The bucket that contains the lease. */
  bucket: Bucket;
  connection: Connection;
  random: Random;
  me: Holder;
  log: Log;
  /** Whether the writes of the roll are held now, so that nobody can renew the lease. Nobody takes it meanwhile. */
  isFrozen?(): boolean;
}

/** What happens to the lease. */
export interface LeaseEvents {
  /** Called when this requester got the lease, or another one took it from it. */
  onChange(): void;
  /** Called when somebody had removed the lease from the store, and perhaps what is beside it. */
  onRemoved(): void;
}

/** Whether this requester may do what only the watcher does. */
export interface WatchRight {
  /**
   * Resolves when this requester holds the lease: it renewed the lease a short time ago, or does so now. A process that
   * slept, or lost the broker, may have lost the lease without knowing it. With `anew` it renews the lease in any case.
   * @throws MusterError `in_use` when another requester holds it; BrokerError when the store does not answer.
   */
  confirm(options?: { anew?: boolean }): Promise<void>;
}

export class Lease implements WatchRight {
  readonly #options: LeaseOptions;
  #events: LeaseEvents | undefined;
  #isHeld = false;
  #holder: Holder | undefined;
  #revision = 0;
  /** When the last successful renewal was sent; undefined while that proves nothing. */
  #renewedAt: Times | undefined;
  readonly #silence: HolderSilence;
  #working: Promise<void> | undefined;
  #timer: Timer | undefined;
  #isReleased = false;
  readonly #looks: TokenBuckets;
  /** Answers whoever asks for the holder. A requester that stands by must not be there. */
  #answering: Subscription | undefined;
  #listening: Subscription | undefined;

  /**
   * Takes the lease, or finds out who holds it. A holder that has ended does not delay the start: nobody answers for it.
   * @throws BrokerError; MusterError `bad_state` when the stored lease cannot be read.
   */
  static async open(options: LeaseOptions): Promise<Lease> {
    const lease = new Lease(options);
    await lease.#look({ isStart: true });
    lease.#begin();
    return lease;
  }

  private constructor(options: LeaseOptions) {
    this.#options = options;
    this.#silence = new HolderSilence(options);
    this.#looks = new TokenBuckets(leavingLimits, () => options.clock.monotonic());
  }

  /** Tells from now on what happens to the lease. */
  follow(events: LeaseEvents): void {
    this.#events = events;
  }

  // Begins to renew the lease, or to look whether it can be taken.
  #begin(): void {
    // Another requester may take the lease at once from a holder that has no connection.
    this.#listening = this.#options.connection.onState(({ kind }) => {
      if (kind !== 'connected') this.#renewedAt = undefined;
    });
    this.#plan();
  }

  /** Whether this requester holds the lease, as far as it knows. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** The requester that holds the lease, as far as this one knows. */
  get holder(): Holder | undefined {
    return this.#isHeld ? this.#options.me : this.#holder;
  }

  /** Looks at the lease at once if the requester of this instance holds it, because that one says that it stops. */
  onLeaving(instance: string): void {
    if (this.#isHeld || this.#holder?.instance !== instance || !this.#looks.take('')) return;
    // What is under way may have read the lease before it was given back.
    void Promise.resolve(this.#working)
      .catch(() => undefined)
      .then(() => this.#workAndPlan());
  }

  async confirm({ anew = false } = {}): Promise<void> {
    if (this.#isReleased) throw new BrokerError('disconnected', 'the lease was given back');
    if (!anew && this.#isHeld && isRecent(this.#renewedAt, this.#options.clock)) return;
    if (this.#isHeld) await this.#work();
    if (!this.#isHeld) throw notWatching(this.#holder);
    // The connection may have been lost since the renewal was sent.
    if (!this.#renewedAt) throw new BrokerError('disconnected', 'the lease could not be renewed');
  }

  /** Gives the lease back, so that the next requester takes it without a wait, and ends. */
  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#timer?.cancel();
    this.#listening?.unsubscribe();
    // What is under way may take the lease, or find that another requester has it.
    await this.#working?.catch(() => undefined);
    this.#answering?.unsubscribe();
    if (!this.#isHeld) return;
    await this.#options.bucket.purge(leaseKey, this.#revision, {}).catch(error => {
      const text = 'the lease could not be given back; the next requester finds that nobody renews it';
      this.#options.log.debug({ err: error }, text);
    });
  }

  #plan(): void {
    const { clock } = this.#options;
    this.#timer?.cancel();
    const waitMs = this.#isHeld ? leaseTimesMs.renew : leaseTimesMs.look;
    this.#timer = clock.after(waitMs, () => void this.#workAndPlan());
  }

  async #workAndPlan(): Promise<void> {
    if (this.#isReleased) return;
    await this.#work().catch(err =>
      this.#options.log.debug({ err }, 'the lease could not be renewed or read; it is tried again'),
    );
    if (!this.#isReleased) this.#plan();
  }

  #work(): Promise<void> {
    this.#working ??= (this.#isHeld ? this.#renew() : this.#look({ isStart: false })).finally(() => {
      this.#working = undefined;
    });
    return this.#working;
  }

  // Takes the lease if nobody holds it, or its holder is silent.
  async #look({ isStart }: { isStart: boolean }): Promise<void> {
    const { bucket, me, isFrozen } = this.#options;
    for (;;) {
      if (isFrozen?.()) {
        // The silence of the holder counts from the end of the freeze.
        this.#silence.restart();
        return;
      }
      const entry = await bucket.get(leaseKey);
      const holder = entry && !entry.marker ? this.#decode(entry, isStart) : undefined;
      const isOther = holder !== undefined && holder.instance !== me.instance;
      if (entry && isOther && !(await this.#silence.isOver(holder, entry.revision, isStart))) {
        if (holder !== unknownHolder) this.#holder = holder;
        return;
      }
      // The store was lost. The former holder knows it better than one that may have been cut off, and writes its lease again.
      if (!entry && !isStart && this.#holder && !(await this.#silence.isOver(this.#holder, 0, isStart)))
        return;
      if (this.#isReleased) return;
      if (await this.#take(entry?.revision ?? 0)) return;
    }
  }

  /** Returns who holds the lease. At a start, nothing is known of who wrote a lease that cannot be read, and it is left. */
  #decode(entry: BucketEntry, isStart: boolean): Holder {
    try {
      return decode(leaseKey, holderSchema, entry.value);
    } catch (err) {
      if (isStart || !(err instanceof MusterError)) throw err;
      const text = 'the lease in the store cannot be read; it is taken unless its holder renews it';
      if (!this.#silence.hasSeen(entry.revision)) this.#options.log.warn({ err }, text);
      return unknownHolder;
    }
  }

  /** Writes the lease. Returns false when somebody else wrote first. */
  async #take(revision: number): Promise<boolean> {
    const { bucket, me, clock, connection, clusterId } = this.#options;
    const askedAt = timesOf(clock);
    try {
      this.#revision = await bucket.put(leaseKey, encode(me), revision);
    } catch (error) {
      if (!isRevisionConflict(error)) throw error;
      return false;
    }
    this.#renewedAt = askedAt;
    this.#silence.restart();
    this.#isHeld = true;
    this.#answering?.unsubscribe();
    this.#answering = connection.subscribe(
      leaseSubject(clusterId),
      message => void message.respond(encode(me)),
    );
    this.#events?.onChange();
    return true;
  }

  async #renew(): Promise<void> {
    const { bucket, me, clock, random, clusterId } = this.#options;
    const askedAt = timesOf(clock);
    try {
      this.#revision = await bucket.put(leaseKey, encode(me), this.#revision);
    } catch (error) {
      if (!isRevisionConflict(error)) throw error;
      const holder = await this.#readHolder();
      if (holder && holder.instance !== me.instance) return this.#lose(holder);
      // The lease is written again at once, before another requester can take it.
      this.#revision = await bucket.put(leaseKey, encode(me), this.#revision);
      this.#renewedAt = askedAt;
      // The answer to our own write was lost.
      if (holder) return;
      // Who removed the lease may have removed the cluster id too. The next start would make another one without a word.
      await ensureClusterId(bucket, random, clusterId);
      this.#events?.onRemoved();
    }
    this.#renewedAt = askedAt;
  }

  // Returns who holds the lease, as the store says; undefined when the store was lost, or another program has written the
  // value.
  async #readHolder(): Promise<Holder | undefined> {
    const { bucket, log } = this.#options;
    const entry = await bucket.get(leaseKey);
    this.#revision = entry?.revision ?? 0;
    if (!entry || entry.marker) return undefined;
    try {
      return validate(holderSchema, parseJson(entry.value));
    } catch (error) {
      log.warn({ err: error }, 'the lease in the store cannot be read; it is written again');
      return undefined;
    }
  }

  #lose(holder: Holder): void {
    this.#isHeld = false;
    this.#answering?.unsubscribe();
    this.#holder = holder;
    this.#renewedAt = undefined;
    if (!this.#isReleased) this.#events?.onChange();
  }
}

/** A moment on both clocks, in milliseconds. The monotonic clock stands still while the machine sleeps. */
interface Times {
  monotonic: number;
  wall: number;
}

const timesOf = (clock: Clock): Times => ({ monotonic: clock.monotonic(), wall: clock.now().getTime() });

function isRecent(times: Times | undefined, clock: Clock): boolean {
  if (!times) return false;
  const now = timesOf(clock);
  const { sure } = leaseTimesMs;
  return now.monotonic - times.monotonic < sure && Math.abs(now.wall - times.wall) < sure;
}
