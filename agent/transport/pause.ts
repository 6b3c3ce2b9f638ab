// The wait before the next attempt to connect. It can be made longer, or be ended, while it lasts.
import { type Clock, sleep } from '../system/clock.ts';

export class Pause {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** The time before which no attempt is made, in monotonic milliseconds. */
  #until = Number.NEGATIVE_INFINITY;
  #waiting = new AbortController();
  #isEndExpected = false;

  /** `signal` ends every wait. */
  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Whether the end of the link is no failure: `begin` asked for a wait that has not ended, or `expectEnd` was called. */
  get isAhead(): boolean {
    return this.#isEndExpected || this.#until > this.#clock.monotonic();
  }

  /** Notes that the present link will end, and that this is no failure. */
  expectEnd(): void {
    this.#isEndExpected = true;
  }

  /** Lets the next attempt begin in `afterMs` milliseconds. A wait that lasts is replaced. */
  begin(afterMs: number): void {
    this.#until = this.#clock.monotonic() + afterMs;
    this.#waiting.abort();
  }

  /** Waits for `waitMs` milliseconds, unless `begin` sets another time before or meanwhile. */
  async wait(waitMs: number): Promise<void> {
    this.#isEndExpected = false;
    if (this.#until < this.#clock.monotonic()) this.#until = this.#clock.monotonic() + waitMs;
    for (;;) {
      const leftMs = this.#until - this.#clock.monotonic();
      if (leftMs <= 0 || this.#signal.aborted) return;
      this.#waiting = new AbortController();
      await sleep(this.#clock, leftMs, AbortSignal.any([this.#signal, this.#waiting.signal]));
    }
  }
}
