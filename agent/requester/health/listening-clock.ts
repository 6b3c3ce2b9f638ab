// The listening clock counts the time in which this requester could have received a heartbeat.

export interface ListeningLimits {
  /** Time between two calls of `beat`, in milliseconds. */
  beatMs: number;
  /** Longest time of all holds until the echo is back, in milliseconds. */
  longestHoldMs: number;
}

/**
 * A monotonic clock that leaves out the times when the requester could not receive heartbeats:
 * - the time in which the event loop did not run (a stall, SIGSTOP, a suspended machine), which a late `beat` shows.
 * Three beats of it are counted;
 * - the time without a broker;
 * - holds, which are the times without an answer to the requester's own echo, up to a limit.
 *
 * Last-seen times are read from this clock. So a gap needs no correction of the nodes.
 */
export class ListeningClock {
  readonly #monotonic: () => number;
  readonly #limits: ListeningLimits;
  /** Listening time up to `#accountedAt`, in milliseconds. */
  #timeMs = 0;
  #accountedAt: number;
  #isHearing = false;
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

  /** Time that was left out so far, in milliseconds. */
  get skippedMs(): number {
    return this.#skippedMs;
  }

  /**
   * Called every `beatMs`, to show that the event loop runs. Returns the time that was left out since the last call, in
   * milliseconds.
   */
  beat(): number {
    const before = this.#skippedMs;
    this.#account();
    return this.#skippedMs - before;
  }

  setHearing(isHearing: boolean): void {
    this.#account();
    this.#isHearing = isHearing;
  }

  /** Starts or ends a hold. Earlier holds count towards the limit until an echo is back. */
  setHolding(holding: boolean): void {
    this.#account();
    this.#holding = holding;
  }

  /** Ends the hold because the echo is back. The next hold has the whole limit again. */
  endHolds(): void {
    this.setHolding(false);
    this.#heldMs = 0;
  }

  /** Whether the holds have reached their limit, so that silence counts again. */
  get holdIsOver(): boolean {
    return this.#heldMs >= this.#limits.longestHoldMs;
  }

  #account(): void {
    const now = this.#monotonic();
    const elapsed = now - this.#accountedAt;
    const counted = this.#countedOf(elapsed);
    if (this.#isHearing && this.#holding) this.#heldMs += this.#awakeOf(elapsed) - counted;
    this.#timeMs += counted;
    this.#skippedMs += elapsed - counted;
    this.#accountedAt = now;
  }

  #countedOf(elapsed: number): number {
    if (!this.#isHearing) return 0;
    const holdLeft = this.#holding ? Math.max(0, this.#limits.longestHoldMs - this.#heldMs) : 0;
    return Math.max(0, this.#awakeOf(elapsed) - holdLeft);
  }

  // One late beat means a busy machine. Several missing beats mean that the event loop did not run.
  #awakeOf(elapsed: number): number {
    return Math.min(elapsed, 3 * this.#limits.beatMs);
  }
}
