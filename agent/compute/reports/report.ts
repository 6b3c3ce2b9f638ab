// A report on its own schedule: jittered, one in flight, and no report waits for another.
import type { Clock, Timer } from '../../system/clock.ts';
import { jitter, type Random } from '../../system/random.ts';

/** The share of the interval by which each wait is moved either way, so that a fleet started at once spreads out. */
export const reportJitter = 0.1;

/** Milliseconds that a turn may be late, and that one sending may take. More can only mean that the schedule has died. */
export const reportPatience = 30_000;

export interface ReportOptions {
  clock: Clock;
  random: Random;
  /** Milliseconds; read before each wait, so that a reload takes effect at the next one. */
  interval(): number;
  /** Must not throw: what fails is the sender's to tell. */
  send(): Promise<void>;
}

export class Report {
  readonly #options: ReportOptions;
  #timer: Timer | undefined;
  #inFlight: Promise<void> | undefined;
  #again = false;
  /** When the next turn is due, and when what is in flight was sent: monotonic milliseconds. */
  #dueAt = 0;
  #sentAt = 0;

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  /** Begins the schedule: the first report now, or after one interval. Starting twice is starting once. */
  start(first: 'now' | 'later'): void {
    if (this.#timer) return;
    this.#schedule();
    if (first === 'now') this.now();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#again = false;
  }

  get running(): boolean {
    return this.#timer !== undefined;
  }

  /** It should go on and does not: its turn never came, or what it sends never ends. What fails, and is tried again, goes on. */
  get stalled(): boolean {
    if (!this.#timer) return false;
    const now = this.#options.clock.monotonic();
    const since = this.#inFlight ? Math.min(this.#dueAt, this.#sentAt) : this.#dueAt;
    return now - since > reportPatience;
  }

  /** Sends now, beside the schedule; once more after the one in flight, as that may have been read too early. */
  now(): void {
    if (this.#inFlight) this.#again = true;
    else this.#send();
  }

  /** Starts the wait anew, with the interval of now. */
  reschedule(): void {
    if (!this.#timer) return;
    this.#timer.cancel();
    this.#schedule();
  }

  #schedule(): void {
    const { clock, random, interval } = this.#options;
    const wait = jitter(random, interval(), reportJitter);
    this.#dueAt = clock.monotonic() + wait;
    this.#timer = clock.after(wait, () => {
      this.#schedule();
      // A slow one is not overtaken: this turn is left out.
      if (!this.#inFlight) this.#send();
    });
  }

  #send(): void {
    this.#sentAt = this.#options.clock.monotonic();
    this.#inFlight = this.#options.send().finally(() => {
      this.#inFlight = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.#send();
    });
  }
}
