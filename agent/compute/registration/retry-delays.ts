// Decides how long a registration waits before it asks its requester again.
import type { Clock } from '../../system/clock.ts';
import { backoff, type Random } from '../../system/random.ts';

/** The wait before the next attempt: `firstMs` at first, then twice as long each time, up to `maxMs`. */
interface Backoff {
  firstMs: number;
  maxMs: number;
}

/** The waits after a request that got no answer or was refused for now. */
const afterFailure: Backoff = { firstMs: 250, maxMs: 10_000 };
/** The waits after the node's key was refused. */
const whileKeyRefused: Backoff = { firstMs: 2_000, maxMs: 120_000 };
const whileRejected: Backoff = { firstMs: 1_000, maxMs: 120_000 };
/** The waits after answers that make the registration void, when several follow each other. */
const afterVoid: Backoff = { firstMs: 1_000, maxMs: 120_000 };

/**
 * Time after which a registration counts as stable, in milliseconds. When it becomes void later, the waits begin short
 * again.
 */
const stableAfterMs = 120_000;

export class RetryDelays {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Attempts since the last acceptance. */
  #attempts = 0;
  /** Number of registrations in a row that became void before they were stable. */
  #voids = 0;
  /** Time when the registration was accepted, in monotonic milliseconds; undefined while it is not accepted. */
  #acceptedAt: number | undefined;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Makes the next wait short again, because the requester has accepted the node. */
  onAccepted(): void {
    this.#attempts = 0;
    this.#acceptedAt ??= this.#clock.monotonic();
  }

  /** Makes the next wait short again, because the next attempts have another cause. */
  restart(): void {
    this.#attempts = 0;
  }

  afterFailureMs(): number {
    return this.#nextMs(afterFailure);
  }

  whileKeyRefusedMs(): number {
    return this.#nextMs(whileKeyRefused);
  }

  whileRejectedMs(): number {
    return this.#nextMs(whileRejected);
  }

  /** Returns the wait after the registration became void. At first it is 0; later it grows each time. */
  afterVoidMs(): number {
    const acceptedAt = this.#acceptedAt;
    this.#acceptedAt = undefined;
    if (acceptedAt !== undefined && this.#clock.monotonic() - acceptedAt >= stableAfterMs) this.#voids = 0;
    const voids = this.#voids++;
    return voids === 0 ? 0 : backoff(this.#random, voids, afterVoid.firstMs, afterVoid.maxMs);
  }

  /** Starts again with no waits, because an operator registers the node. */
  onRegisterByHand(): void {
    this.#attempts = 0;
    this.#acceptedAt = undefined;
  }

  #nextMs({ firstMs, maxMs }: Backoff): number {
    return backoff(this.#random, this.#attempts++, firstMs, maxMs);
  }
}
