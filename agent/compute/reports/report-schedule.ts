// The schedule of one report: jittered, with one send at a time, and independent of all other reports.
import type { Clock, Timer } from '../../system/clock.ts';
import { jitter, type Random } from '../../system/random.ts';

/** The share of the interval by which each wait is moved either way, so that a fleet started at once spreads out. */
export const reportJitter = 0.1;

/**
 * Time by which a turn may be late, and which one send may take, in milliseconds. More can only mean that the schedule does
 * not run any more.
 */
export const stallTimeoutMs = 30_000;

/** The times between two reports, in milliseconds. */
export interface ReportFrequencies {
  readonly heartbeatFrequency: number;
  readonly infoUpdateFrequency: number;
  readonly resourceUpdateFrequency: number;
}

export interface ReportScheduleOptions {
  clock: Clock;
  random: Random;
  /** Read before each wait, so that a change takes effect with the next one. */
  settings: ReportFrequencies;
  /** The setting that holds the time between two of these reports. */
  frequency: keyof ReportFrequencies;
  report: Report;
}

export interface Report {
  /** Sends the report. Must neither throw nor reject: it logs what fails. */
  send(): Promise<void> | void;
}

export class ReportSchedule {
  readonly #options: ReportScheduleOptions;
  readonly #onTurn = () => {
    this.#planNextTurn();
    // While the last report is still being sent, this turn is left out.
    if (!this.#sending) this.#send();
  };
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #isWantedAgain = false;
  /** When the next turn is due, and when the report that is being sent was begun: monotonic milliseconds. */
  #dueAt = 0;
  #sentAt = 0;

  constructor(options: ReportScheduleOptions) {
    this.#options = options;
  }

  /** Begins the schedule: the first report is sent now, or after one interval. Does nothing when it runs already. */
  start(first: 'now' | 'later'): void {
    if (this.#timer) return;
    this.#planNextTurn();
    if (first === 'now') this.sendNow();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isWantedAgain = false;
  }

  get isRunning(): boolean {
    return this.#timer !== undefined;
  }

  /**
   * Whether the schedule should go on and does not: its turn never came, or one send does not end. A send that fails, and is
   * repeated at the next turn, is no stall.
   */
  get isStalled(): boolean {
    if (!this.#timer) return false;
    const now = this.#options.clock.monotonic();
    const since = this.#sending ? Math.min(this.#dueAt, this.#sentAt) : this.#dueAt;
    return now - since > stallTimeoutMs;
  }

  /**
   * Sends the report now, without changing the schedule; a stopped schedule sends nothing. A report that is being sent was
   * perhaps read too early, so it is followed by another.
   */
  sendNow(): void {
    if (!this.#timer) return;
    if (this.#sending) this.#isWantedAgain = true;
    else this.#send();
  }

  /** Begins the wait anew, with the interval of now. */
  reschedule(): void {
    if (!this.#timer) return;
    this.#timer.cancel();
    this.#planNextTurn();
  }

  #planNextTurn(): void {
    const { clock, random, settings, frequency } = this.#options;
    const waitMs = jitter(random, settings[frequency], reportJitter);
    this.#dueAt = clock.monotonic() + waitMs;
    this.#timer = clock.after(waitMs, this.#onTurn);
  }

  #send(): void {
    this.#sentAt = this.#options.clock.monotonic();
    const sent = this.#options.report.send();
    if (sent) this.#sending = sent.finally(this.#onSent);
  }

  readonly #onSent = () => {
    this.#sending = undefined;
    if (!this.#isWantedAgain) return;
    this.#isWantedAgain = false;
    this.#send();
  };
}
