// The reading pace lets a busy link read less often. Each read, and each write of the answers to it, costs as much as several
// messages, so messages are left together in the buffer of the operating system for some milliseconds. A quiet link, and a link
// on which somebody awaits an answer of the broker, are read at once.
import type { Clock, Timer } from '../system/clock.ts';

/** What a link reads from, such as a socket. */
export interface Source {
  pause(): unknown;
  resume(): unknown;
}

/** How long messages are left together, in milliseconds. */
const gatherMs = 10;
/** How long a link is read at once after somebody began to await the broker, in milliseconds. */
const hurryMs = 20;
/** A link is busy when it brought this many bytes a second in the time of the last look. */
const busy = { bytesPerSecond: 128 * 1024, lookMs: 100 };

export class ReadingPace {
  readonly #clock: Clock;
  readonly #afterTurn: (fn: () => void) => void;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #isBusy = false;
  #hurriesUntil = Number.NEGATIVE_INFINITY;
  /** Whether it is being found out if the source has more. */
  #isWatching = false;
  #pieces = 0;
  #paused: { source: Source; timer: Timer } | undefined;

  /** `afterTurn` calls a function at the end of the present turn of the loop, in which each source is read once. */
  constructor(clock: Clock, afterTurn: (fn: () => void) => void = setImmediate) {
    this.#clock = clock;
    this.#afterTurn = afterTurn;
  }

  /** Has the link read at once for a while. Whoever waits for something from the broker calls it. */
  hurry(): void {
    this.#hurriesUntil = this.#clock.monotonic() + hurryMs;
    this.#resume();
  }

  /** Notes a piece that was read. When nothing more is there, the source of a busy link pauses. */
  onPiece(sizeBytes: number, source: Source): void {
    this.#pieces++;
    this.#note(sizeBytes);
    if (!this.#isBusy || this.#isWatching || this.#hurries()) return;
    this.#isWatching = true;
    // What is read in this turn came together with this piece.
    this.#afterTurn(() => this.#pauseWhenDrained(source));
  }

  #pauseWhenDrained(source: Source): void {
    const seen = this.#pieces;
    this.#afterTurn(() => {
      if (this.#pieces > seen) return this.#pauseWhenDrained(source);
      this.#isWatching = false;
      if (this.#hurries()) return;
      source.pause();
      this.#paused = { source, timer: this.#clock.after(gatherMs, () => this.#resume()) };
    });
  }

  #resume(): void {
    const { source, timer } = this.#paused ?? {};
    this.#paused = undefined;
    timer?.cancel();
    source?.resume();
  }

  #hurries(): boolean {
    return this.#clock.monotonic() < this.#hurriesUntil;
  }

  #note(sizeBytes: number): void {
    this.#bytes += sizeBytes;
    const now = this.#clock.monotonic();
    const lookMs = now - this.#lookedAt;
    if (lookMs < busy.lookMs) return;
    this.#isBusy = this.#bytes / lookMs >= busy.bytesPerSecond / 1_000;
    this.#lookedAt = now;
    this.#bytes = 0;
  }
}
