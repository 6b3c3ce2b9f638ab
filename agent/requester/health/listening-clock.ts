// The listening clock counts the time in which this requester could have received a heartbeat.

export interface ListeningLimits {
  /** Time between two beats of the requester's own event loop, in milliseconds. */
  beatMs: number;
  /** Time that holds may last together until the echo is back, in milliseconds. */
  longestHoldMs: number;
}

/**
 * Runs with the monotonic clock, except that it leaves out
 * - the time in which the event loop did not run, as a late `beat` shows, less three beats: a stall, SIGSTOP, a
 *   suspended machine;
 * - the time without a broker;
 * - holds, while the requester's own echo is missing, up to their limit.
 *
 * Last-seen times are taken on this clock, so a gap moves all of them forward at once and costs nothing.
 */
export class ListeningClock {
  readonly #monotonic: () => number;
  readonly #limits: ListeningLimits;
  /** Listening time up to `#accountedAt`, in milliseconds. */
  #timeMs = 0;
  #accountedAt: number;
  #connected = false;
  #holding = false;
  #heldMs = 0;
  #skippedMs = 0;

  constructor(monotonic: () => number, limits: ListeningLimits) {
    this.#monotonic = monotonic;
    this.#limits = limits;
    this.#accountedAt = monotonic();
  }

  /** Returns the listening time since the start, in milliseconds. It never goes back. */
  now(): number {
    return this.#timeMs + this.#countedOf(this.#monotonic() - this.#accountedAt);
  }

  /** Time left out so far, in milliseconds. */
  get skippedMs(): number {
    return this.#skippedMs;
  }

  /** Is called every `beatMs` and shows that the event loop runs. Returns the time left out since then, in milliseconds. */
  beat(): number {
    const before = this.#skippedMs;
    this.#account();
    return this.#skippedMs - before;
  }

  setConnected(connected: boolean): void {
    this.#account();
    this.#connected = connected;
  }

  /** Begins or ends a hold. The time of earlier holds counts against the limit until an echo is back. */
  setHolding(holding: boolean): void {
    this.#account();
    this.#holding = holding;
  }

  /** Ends the hold because the echo is back; the next hold has the whole limit again. */
  endHolds(): void {
    this.setHolding(false);
    this.#heldMs = 0;
  }

  /** Whether holds have lasted as long as they may, so that silence counts again. */
  get holdIsOver(): boolean {
    return this.#heldMs >= this.#limits.longestHoldMs;
  }

  #account(): void {
    const now = this.#monotonic();
    const elapsed = now - this.#accountedAt;
    const counted = this.#countedOf(elapsed);
    if (this.#connected && this.#holding) this.#heldMs += this.#awakeOf(elapsed) - counted;
    this.#timeMs += counted;
    this.#skippedMs += elapsed - counted;
    this.#accountedAt = now;
  }

  #countedOf(elapsed: number): number {
    if (!this.#connected) return 0;
    const holdLeft = this.#holding ? Math.max(0, this.#limits.longestHoldMs - this.#heldMs) : 0;
    return Math.max(0, this.#awakeOf(elapsed) - holdLeft);
  }

  // One late beat means a busy machine. Several missing beats mean that the loop did not run.
  #awakeOf(elapsed: number): number {
    return Math.min(elapsed, 3 * this.#limits.beatMs);
  }
}
