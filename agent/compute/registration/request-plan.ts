// The request plan says which request of the registration is sent next, and when. While one is running, the next one waits.
import type { Clock, Timer } from '../../system/clock.ts';

/**
 * `register` asks for a registration. `confirm` sends the node's information; the answer says whether the node is still
 * registered.
 */
export type Step = 'register' | 'confirm';

/** Least time between two confirmations that follow from events, in milliseconds. */
const confirmIntervalMs = 1_000;

export interface RequestPlanOptions {
  clock: Clock;
  /** Aborted when no more requests are sent. */
  stopping: AbortSignal;
  /** Called when a request is due. It begins the request with `begin()`. */
  onDue(step: Step): void;
}

export class RequestPlan {
  readonly #options: RequestPlanOptions;
  /** The next request and the time when it is due, in monotonic milliseconds. */
  #next: { step: Step; at: number } | undefined;
  #timer: Timer | undefined;
  #isBusy = true;
  /** Whether to confirm after the current request, because an event arrived while it was being sent. */
  #isConfirmationDue = false;
  /** Time when an event last led to a confirmation, in monotonic milliseconds. */
  #confirmedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RequestPlanOptions) {
    this.#options = options;
  }

  /** Whether the sentinel is being read or an answer is awaited. No request is sent meanwhile. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Plans a request for the time in `waitMs` milliseconds, and replaces the earlier plan. */
  planIn(step: Step, waitMs: number): void {
    this.#plan(step, this.#options.clock.monotonic() + waitMs);
  }

  /** Plans a confirmation because of an event, at most one a second. It replaces no plan that is due earlier. */
  planConfirmation(): void {
    const at = Math.max(this.#options.clock.monotonic(), this.#confirmedAt + confirmIntervalMs);
    if (this.#next && this.#next.at <= at) return;
    this.#confirmedAt = at;
    this.#plan('confirm', at);
  }

  /** Notes that a confirmation is due after the current request. */
  confirmAfterwards(): void {
    this.#isConfirmationDue = true;
  }

  /** Makes a plan count that was made while a request was running. Returns false when there is no such plan. */
  resume(): boolean {
    if (!this.#next) return false;
    this.#plan(this.#next.step, this.#next.at);
    return true;
  }

  /** Begins a request, which is then no longer planned. */
  begin(): void {
    this.#next = undefined;
    this.#isBusy = true;
  }

  /** Ends a request, or the reading of the sentinel. */
  end(): void {
    this.#isBusy = false;
  }

  /** Ends a request that could not be sent yet, and keeps it until `resume()`. */
  keep(step: Step): void {
    this.end();
    this.#next ??= { step, at: this.#options.clock.monotonic() };
  }

  /** Returns whether a confirmation became due while a request was running, and forgets it. */
  takeConfirmation(): boolean {
    const isDue = this.#isConfirmationDue;
    this.#isConfirmationDue = false;
    return isDue;
  }

  /** Forgets the planned request. */
  cancel(): void {
    this.#next = undefined;
    this.#timer?.cancel();
  }

  #plan(step: Step, at: number): void {
    const { clock, stopping, onDue } = this.#options;
    this.#timer?.cancel();
    this.#next = { step, at };
    if (this.#isBusy || stopping.aborted) return;
    const waitMs = at - clock.monotonic();
    if (waitMs > 0) this.#timer = clock.after(waitMs, () => onDue(step));
    else onDue(step);
  }
}
