// Rounds do work again and again, with a pause before each, as long as there is something to do. Two of them never overlap.
import type { Clock, Timer } from './clock.ts';

export interface RoundsOptions {
  clock: Clock;
  /** Time before each round, in milliseconds. */
  pauseMs: number;
  /** Returns whether there is something to do; by default there always is. */
  isNeeded?(): boolean;
  /** Does the work of one round. The next one is planned when it has ended. It must not reject. */
  work(): void | Promise<void>;
}

export class Rounds {
  readonly #options: RoundsOptions;
  #isOn = false;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Whether there may be rounds. A long one asks this between its steps. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Resolves when the round that runs now has ended; undefined when none runs. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** Lets rounds begin, and plans the first one if there is something to do. */
  start(): void {
    this.#isOn = true;
    this.plan();
  }

  /** Begins no further round until the next start. */
  stop(): void {
    this.#isOn = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Plans a round, unless one is planned or runs. Called when there is something new to do. */
  plan(): void {
    const { clock, pauseMs, isNeeded } = this.#options;
    if (!this.#isOn || this.#timer || this.#running || isNeeded?.() === false) return;
    this.#timer = clock.after(pauseMs, () => {
      this.#timer = undefined;
      this.#running = this.#round();
    });
  }

  async #round(): Promise<void> {
    try {
      await this.#options.work();
    } finally {
      this.#running = undefined;
      this.plan();
    }
  }
}
