// Time in which this requester could have heard a heartbeat. It stands still while the requester could not (design 4).

export interface ListeningLimits {
  /** Milliseconds between two beats of the requester's own loop. */
  beat: number;
  /** Milliseconds that holds may last together, until the echo is back. */
  longestHold: number;
}

/**
 * A clock that runs with the monotonic one, except that it skips
 * - what a late `beat` shows the loop to have slept, but for three beats: a stall, SIGSTOP, a suspended machine;
 * - the time without a broker;
 * - holds, when the requester's own echo is missing, up to their limit.
 *
 * Last-seen times are taken on it, so a gap moves all of them forward at once and costs nothing.
 */
export class ListeningClock {
  readonly #monotonic: () => number;
  readonly #limits: ListeningLimits;
  #time = 0;
  #accounted: number;
  #connected = false;
  #holding = false;
  #held = 0;
  #skipped = 0;

  constructor(monotonic: () => number, limits: ListeningLimits) {
    this.#monotonic = monotonic;
    this.#limits = limits;
    this.#accounted = monotonic();
  }

  /** Milliseconds of listening since the start. Never goes back. */
  now(): number {
    return this.#time + this.#countedOf(this.#monotonic() - this.#accounted);
  }

  /** Milliseconds skipped so far. */
  get skipped(): number {
    return this.#skipped;
  }

  /** The loop is alive: to be called every `beat` milliseconds. Answers the milliseconds that this beat was skipped. */
  beat(): number {
    const before = this.#skipped;
    this.#account();
    return this.#skipped - before;
  }

  setConnected(connected: boolean): void {
    this.#account();
    this.#connected = connected;
  }

  /** Holds while the echo is missing. What holds have lasted so far goes on counting until an echo is back. */
  setHolding(holding: boolean): void {
    this.#account();
    this.#holding = holding;
  }

  /** The echo is back: the next holds start from nothing. */
  echoed(): void {
    this.setHolding(false);
    this.#held = 0;
  }

  /** Whether holds have lasted as long as they may: silence counts again. */
  get holdIsOver(): boolean {
    return this.#held >= this.#limits.longestHold;
  }

  #account(): void {
    const now = this.#monotonic();
    const elapsed = now - this.#accounted;
    const counted = this.#countedOf(elapsed);
    if (this.#connected && this.#holding) this.#held += this.#awake(elapsed) - counted;
    this.#time += counted;
    this.#skipped += elapsed - counted;
    this.#accounted = now;
  }

  #countedOf(elapsed: number): number {
    if (!this.#connected) return 0;
    const left = this.#holding ? Math.max(0, this.#limits.longestHold - this.#held) : 0;
    return Math.max(0, this.#awake(elapsed) - left);
  }

  // One late beat is a busy machine; several missing ones are a loop that did not run.
  #awake(elapsed: number): number {
    return Math.min(elapsed, 3 * this.#limits.beat);
  }
}
