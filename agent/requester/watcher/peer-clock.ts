// The peer clock finds out how far the clock of another requester is ahead of this one's. Each message of a peer says when it
// was sent. One that waited seems to come from a clock that is behind, as after this process was suspended. So a
// difference counts only when two messages agree on it that were received some time apart.
import type { Clock } from '../../system/clock.ts';

/** The smallest difference between two clocks that is told, in milliseconds. */
const toleranceMs = 30_000;

/** Two messages agree when their differences are so close to each other, in milliseconds. */
const agreementMs = 1_000;
/** Least time between the receipt of two messages that confirm each other, in milliseconds. Those that waited come at once. */
const apartMs = 1_000;

export class PeerClock {
  readonly #clock: Clock;
  /** What the last messages agree on, and when the first of them was received, in monotonic milliseconds. */
  #told: { aheadMs: number; since: number } | undefined;
  #aheadMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * How far the peer's clock is ahead of this one's, in milliseconds, and below 0 when it is behind; undefined while the two are
   * close to each other, or that is not known.
   */
  get aheadMs(): number | undefined {
    return Math.abs(this.#aheadMs) < toleranceMs ? undefined : this.#aheadMs;
  }

  /** Notes when a message was sent that was received now, RFC 3339. */
  add(sentAt: string): void {
    const now = this.#clock.monotonic();
    const aheadMs = Date.parse(sentAt) - this.#clock.now().getTime();
    const isAgreed = this.#told && Math.abs(aheadMs - this.#told.aheadMs) <= agreementMs;
    this.#told = { aheadMs, since: isAgreed && this.#told ? this.#told.since : now };
    if (now - this.#told.since >= apartMs) this.#aheadMs = aheadMs;
  }
}
