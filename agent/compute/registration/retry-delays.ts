// Decides how long a registration waits before it asks its requester again.
import type { Clock } from '../../system/clock.ts';
import { backoff, type Random } from '../../system/random.ts';

/** The wait before a further attempt, in milliseconds: `firstMs`, doubling with each attempt up to `maxMs`. */
interface Backoff {
  firstMs: number;
  maxMs: number;
}

/** Used when nobody answers, or when the requester refuses for now. */
const afterFailure: Backoff = { firstMs: 250, maxMs: 10_000 };
const whileRejected: Backoff = { firstMs: 1_000, maxMs: 120_000 };
/** Used when answers void registrations in a row. */
const afterVoid: Backoff = { firstMs: 1_000, maxMs: 120_000 };

/** Time after which a registration is stable, so that a void of it is the first of a row again, in milliseconds. */
const stableAfterMs = 120_000;

export class RetryDelays {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Attempts since the last acceptance. */
  #attempts = 0;
  /** Registrations that were voided in a row before they were stable. */
  #voids = 0;
  /** When the registration was accepted: monotonic milliseconds; undefined while it is not. */
  #acceptedAt: number | undefined;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The requester has accepted the node: the next wait is short again. */
  onAccepted(): void {
    this.#attempts = 0;
    this.#acceptedAt ??= this.#clock.monotonic();
  }

  /** Something else than a failure leads to the next attempts, so that their waits begin short. */
  restart(): void {
    this.#attempts = 0;
  }

  afterFailureMs(): number {
    return this.#nextMs(afterFailure);
  }

  whileRejectedMs(): number {
    return this.#nextMs(whileRejected);
  }

  /** The registration is void. The first time the node registers again at once; after that it waits longer each time. */
  afterVoidMs(): number {
    const acceptedAt = this.#acceptedAt;
    this.#acceptedAt = undefined;
    if (acceptedAt !== undefined && this.#clock.monotonic() - acceptedAt >= stableAfterMs) this.#voids = 0;
    const voids = this.#voids++;
    return voids === 0 ? 0 : backoff(this.#random, voids, afterVoid.firstMs, afterVoid.maxMs);
  }

  /** The node registers again by hand. */
  onRegisterByHand(): void {
    this.#attempts = 0;
    this.#acceptedAt = undefined;
  }

  #nextMs({ firstMs, maxMs }: Backoff): number {
    return backoff(this.#random, this.#attempts++, firstMs, maxMs);
  }
}
