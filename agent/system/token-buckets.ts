// Token buckets limit how often something may happen: a burst at once, and then one more in each interval.

export interface BucketLimits {
  /** Number of tokens in a full bucket, which may be taken at once. */
  burst: number;
  /** Time in which one token comes back, in milliseconds. */
  refillMs: number;
}

/**
 * Takes a token from a bucket. A bucket is described by the time at which it is full again, in milliseconds of a
 * monotonic clock; `undefined` is a full bucket. Returns the new time; undefined when there is no token.
 */
export function takeToken(
  fullAt: number | undefined,
  now: number,
  { burst, refillMs }: BucketLimits,
): number | undefined {
  const next = Math.max(fullAt ?? now, now) + refillMs;
  return next - now > burst * refillMs ? undefined : next;
}

/** Returns the time until the bucket has a token, in milliseconds; 0 when it has one now. */
export function untilTokenMs(
  fullAt: number | undefined,
  now: number,
  { burst, refillMs }: BucketLimits,
): number {
  return Math.max(0, (fullAt ?? now) - now - (burst - 1) * refillMs);
}

/** The number of buckets above which full ones are forgotten. */
const sweepAbove = 1_000;

/** A token bucket for each key. Only buckets that are not full take memory. */
export class TokenBuckets {
  readonly #limits: BucketLimits;
  readonly #monotonic: () => number;
  readonly #fullAt = new Map<string, number>();
  #sweepAbove = sweepAbove;

  /** `monotonic` returns the milliseconds of a monotonic clock. */
  constructor(limits: BucketLimits, monotonic: () => number) {
    this.#limits = limits;
    this.#monotonic = monotonic;
  }

  /** Takes a token of `key`. Returns false when there is none. */
  take(key: string): boolean {
    const now = this.#monotonic();
    const fullAt = takeToken(this.#fullAt.get(key), now, this.#limits);
    if (fullAt === undefined) return false;
    this.#fullAt.set(key, fullAt);
    if (this.#fullAt.size > this.#sweepAbove) this.#sweep(now);
    return true;
  }

  /** Returns the time until `key` has a token, in milliseconds; 0 when it has one now. */
  untilTokenMs(key: string): number {
    return untilTokenMs(this.#fullAt.get(key), this.#monotonic(), this.#limits);
  }

  /** Number of buckets in memory. */
  get size(): number {
    return this.#fullAt.size;
  }

  // Forgets the full buckets. The next sweep comes when the number has doubled, so that each token costs the same time.
  #sweep(now: number): void {
    for (const [key, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(key);
    this.#sweepAbove = Math.max(sweepAbove, 2 * this.#fullAt.size);
  }
}
