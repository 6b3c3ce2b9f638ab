// Says when the views are told that something has changed: in the next frame that the browser draws, but with a rest after it.

/** The shortest time from one telling to the next, in milliseconds. What changes in a second comes in some dozens of events. */
const restMs = 200;

export interface PaceOptions {
  /** Returns the time in milliseconds. */
  now(): number;
  after(delayMs: number, fn: () => void): void;
  /** Calls `fn` before the browser draws the next frame. Of a tab that nobody sees it draws none. */
  nextFrame(fn: () => void): void;
  /** Tells the views. */
  tell(): void;
}

export class Pace {
  readonly #options: PaceOptions;
  #isAsked = false;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Is called with each change, and tells the views later, once for all changes until then. */
  onChange(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    const { now, after, nextFrame } = this.#options;
    const waitMs = this.#toldAt + restMs - now();
    if (waitMs > 0) after(waitMs, () => nextFrame(() => this.#tell()));
    else nextFrame(() => this.#tell());
  }

  #tell(): void {
    this.#isAsked = false;
    this.#toldAt = this.#options.now();
    this.#options.tell();
  }
}
