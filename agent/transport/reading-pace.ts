// The reading pace lets a busy link read less often. Each read, and each write of the answers to it, costs as much as several
// messages, so messages are left together in the buffer of the operating system for some milliseconds. A quiet link, a link on which
// somebody awaits an answer of the broker, and a process that gets its share of the processor late read at once.
import type { Clock, Timer } from '../system/clock.ts';

/** What a link reads from, such as a socket. */
export interface Source {
  pause(): unknown;
  resume(): unknown;
}

export interface ReadingPaceOptions {
  clock: Clock;
  /** Called when everything is read that is there, before the source pauses. */
  onDrained(): void;
  /** Calls a function at the end of the present turn of the loop, in which each source is read once. */
  afterTurn?(fn: () => void): void;
}

/** How long messages are left together, in milliseconds. */
const gatherMs = 10;
/** How long a link is read at once after somebody began to await the broker, in milliseconds. */
const hurryMs = 20;
/** A link is busy when it brought this many bytes a second in the time of the last look. */
const busy = { bytesPerSecond: 128 * 1024, lookMs: 100 };
/**
 * A pause that takes twice its time shows that other processes keep this one waiting. To sleep would give them its turns too, and
 * what arrived meanwhile would take more than the next turn. So nothing pauses for a while.
 */
const late = { byMs: 10, noPauseMs: 5_000 };

export class ReadingPace {
  readonly #options: Required<ReadingPaceOptions>;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #isBusy = false;
  #readsAtOnceUntil = Number.NEGATIVE_INFINITY;
  /** Whether it is being found out if the source has more. */
  #isWatching = false;
  #pieces = 0;
  #paused: { source: Source; timer: Timer } | undefined;

  constructor(options: ReadingPaceOptions) {
    this.#options = { afterTurn: setImmediate, ...options };
  }

  /** Has the link read at once for a while. Whoever waits for something from the broker calls it. */
  hurry(): void {
    this.#readAtOnceFor(hurryMs);
    this.#resume();
  }

  /** Notes a piece that was read. When nothing more is there, the source of a busy link pauses. */
  onPiece(sizeBytes: number, source: Source): void {
    this.#pieces++;
    this.#note(sizeBytes);
    if (!this.#isBusy || this.#isWatching || this.#mustReadAtOnce()) return;
    this.#isWatching = true;
    // What is read in this turn came together with this piece.
    this.#options.afterTurn(() => this.#pauseWhenDrained(source));
  }

  #pauseWhenDrained(source: Source): void {
    const seen = this.#pieces;
    this.#options.afterTurn(() => {
      if (this.#pieces > seen) return this.#pauseWhenDrained(source);
      this.#isWatching = false;
      if (!this.#mustReadAtOnce()) this.#pause(source);
    });
  }

  #pause(source: Source): void {
    const { clock, onDrained } = this.#options;
    // A link that takes the place of another one must not leave that paused.
    this.#resume();
    onDrained();
    source.pause();
    const endsAt = clock.monotonic() + gatherMs;
    const timer = clock.after(gatherMs, () => {
      if (clock.monotonic() - endsAt > late.byMs) this.#readAtOnceFor(late.noPauseMs);
      this.#resume();
    });
    this.#paused = { source, timer };
  }

  #resume(): void {
    const { source, timer } = this.#paused ?? {};
    this.#paused = undefined;
    timer?.cancel();
    source?.resume();
  }

  #readAtOnceFor(ms: number): void {
    this.#readsAtOnceUntil = Math.max(this.#readsAtOnceUntil, this.#options.clock.monotonic() + ms);
  }

  #mustReadAtOnce(): boolean {
    return this.#options.clock.monotonic() < this.#readsAtOnceUntil;
  }

  #note(sizeBytes: number): void {
    this.#bytes += sizeBytes;
    const now = this.#options.clock.monotonic();
    const lookMs = now - this.#lookedAt;
    if (lookMs < busy.lookMs) return;
    this.#isBusy = this.#bytes / lookMs >= busy.bytesPerSecond / 1_000;
    this.#lookedAt = now;
    this.#bytes = 0;
  }
}
