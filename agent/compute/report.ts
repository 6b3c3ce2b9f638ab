// A report on its own schedule: jittered, one in flight, and no report waits for another.
import type { Clock, Timer } from '../system/clock.ts';
import { jitter, type Random } from '../system/random.ts';

/** The share of the interval by which each wait is moved either way, so that a fleet started at once spreads out. */
export const reportJitter = 0.1;

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
    this.#timer = clock.after(jitter(random, interval(), reportJitter), () => {
      this.#schedule();
      // A slow one is not overtaken: this turn is left out.
      if (!this.#inFlight) this.#send();
    });
  }

  #send(): void {
    this.#inFlight = this.#options.send().finally(() => {
      this.#inFlight = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.#send();
    });
  }
}
