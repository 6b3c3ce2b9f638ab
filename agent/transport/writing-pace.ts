// The writing pace lets a busy link write less often. A write costs as much as handling several messages, so the answers of some
// milliseconds are written together. A quiet link, and a link on which somebody awaits an answer of the broker, writes at once.
import type { Clock, Timer } from '../system/clock.ts';

/** How long frames wait for others on a busy link, in milliseconds. */
const gatherMs = 5;
/** How long everything is written at once after somebody began to await the broker, in milliseconds. */
const hurryMs = 20;
/** A link is busy when it sent this many frames in the time of the last look. */
const busy = { frames: 20, lookMs: 100 };

export class WritingPace {
  readonly #clock: Clock;
  readonly #soon: (write: () => void) => void;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #frames = 0;
  #isBusy = false;
  #hurriesUntil = Number.NEGATIVE_INFINITY;
  #planned: { write: () => void; timer: Timer } | undefined;

  /** `soon` calls a function as soon as what runs now has ended. */
  constructor(clock: Clock, soon: (write: () => void) => void = process.nextTick) {
    this.#clock = clock;
    this.#soon = soon;
  }

  /** Has everything written at once for a while. Whoever waits for something from the broker calls it before asking. */
  hurry(): void {
    this.#hurriesUntil = this.#clock.monotonic() + hurryMs;
    this.writeNow();
  }

  /** Writes what waits for others. */
  writeNow(): void {
    this.#planned?.timer.cancel();
    this.#planned?.write();
  }

  /** Notes that a frame is to be sent. */
  onFrame(): void {
    this.#frames++;
    const now = this.#clock.monotonic();
    const lookMs = now - this.#lookedAt;
    if (lookMs < busy.lookMs) return;
    this.#isBusy = this.#frames / lookMs >= busy.frames / busy.lookMs;
    this.#lookedAt = now;
    this.#frames = 0;
  }

  /** Calls `write` when it is time to write. The next call comes only after that. */
  plan(write: () => void): void {
    if (!this.#isBusy || this.#clock.monotonic() < this.#hurriesUntil) {
      this.#soon(write);
      return;
    }
    const writeOnce = () => {
      this.#planned = undefined;
      write();
    };
    this.#planned = { write: writeOnce, timer: this.#clock.after(gatherMs, writeOnce) };
  }
}
