// The schedule of one report sends it at jittered times, one at a time, and independently of all other reports.
import type { Clock, Timer } from '../../system/clock.ts';
import { jitter, type Random } from '../../system/random.ts';

/**
 * The share of the interval by which each wait is made longer or shorter, so that nodes that start together do not send
 * together.
 */
export const reportJitter = 0.1;

/**
 * Longest time that a report may be late, and that one send may take, in milliseconds. After it the schedule counts as
 * stalled.
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
  /** The settings with the intervals. They are read before each wait, so a change counts from the next wait on. */
  settings: ReportFrequencies;
  /** The setting with the time between two of these reports. */
  frequency: keyof ReportFrequencies;
  report: Report;
}

/** How late the turns of a schedule were since its start. */
export interface Lateness {
  /** All of it, in milliseconds. */
  readonly totalMs: number;
  /** Number of turns that were more than a second late. */
  readonly late: number;
}

export interface Report {
  /** Sends the report. It must neither throw nor reject, so it logs its failures. */
  send(): Promise<void> | void;
}

export class ReportSchedule {
  readonly #options: ReportScheduleOptions;
  readonly #onTurn = () => {
    this.#noteLateness();
    this.#planNextTurn();
    // If the last report is still being sent, this turn is skipped.
    if (!this.#sending) this.#send();
  };
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #isWantedAgain = false;
  /** Times when the next report is due and when the current send began, in monotonic milliseconds. */
  #dueAt = 0;
  #sentAt = 0;
  readonly #lateness = { totalMs: 0, late: 0 };

  constructor(options: ReportScheduleOptions) {
    this.#options = options;
  }

  /**
   * Starts the schedule. The first report is sent now, or after one interval. A schedule that runs already does not
   * change.
   */
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
   * Whether the schedule has stalled: it did not send in time, or one send does not end. A send that fails is repeated at
   * the next turn, so it is no stall.
   */
  get isStalled(): boolean {
    if (!this.#timer) return false;
    const now = this.#options.clock.monotonic();
    const since = this.#sending ? Math.min(this.#dueAt, this.#sentAt) : this.#dueAt;
    return now - since > stallTimeoutMs;
  }

  get lateness(): Lateness {
    return this.#lateness;
  }

  /**
   * Sends the report now and does not change the schedule. When a report is being sent, its data may be too old, so
   * another one follows it. A stopped schedule sends nothing.
   */
  sendNow(): void {
    if (!this.#timer) return;
    if (this.#sending) this.#isWantedAgain = true;
    else this.#send();
  }

  /** Starts the wait again with the present interval. */
  reschedule(): void {
    if (!this.#timer) return;
    this.#timer.cancel();
    this.#planNextTurn();
  }

  #noteLateness(): void {
    const lateMs = Math.max(0, this.#options.clock.monotonic() - this.#dueAt);
    this.#lateness.totalMs += lateMs;
    if (lateMs > 1_000) this.#lateness.late++;
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
