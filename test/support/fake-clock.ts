// This clock stands still until a test advances it. Timers fire in order, and promises settle between them.
import type { Clock, Timer } from '../../agent/system/clock.ts';

interface Waiting {
  at: number;
  order: number;
  fn: () => void;
}

export class FakeClock implements Clock {
  #monotonic = 0;
  #wall: number;
  #order = 0;
  readonly #timers = new Set<Waiting>();

  constructor(wall = new Date('2026-01-01T00:00:00Z')) {
    this.#wall = wall.getTime();
  }

  monotonic(): number {
    return this.#monotonic;
  }

  now(): Date {
    return new Date(this.#wall);
  }

  after(delay: number, fn: () => void): Timer {
    const timer = { at: this.#monotonic + Math.max(0, delay), order: this.#order++, fn };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Returns the number of timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Returns the time until the next timer, in milliseconds; undefined when none waits. */
  get next(): number | undefined {
    const timer = this.#earliest(Number.POSITIVE_INFINITY);
    return timer && Math.max(0, timer.at - this.#monotonic);
  }

  /** Lets `ms` milliseconds pass. Each timer fires at its own time, and what it starts settles before the next one fires. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await this.settle();
    for (let timer = this.#earliest(end); timer; timer = this.#earliest(end)) {
      this.#move(Math.max(this.#monotonic, timer.at));
      this.#timers.delete(timer);
      timer.fn();
      await this.settle();
    }
    this.#move(end);
  }

  /**
   * Lets `ms` milliseconds pass in which no timer fires, as when the process is stopped or its loop is blocked. Overdue
   * timers fire at the end.
   */
  async stall(ms: number): Promise<void> {
    this.#move(this.#monotonic + ms);
    await this.advance(0);
  }

  /** Sets the wall clock forward, or back if `ms` is negative, as an operator or a suspended machine does. */
  moveWall(ms: number): void {
    this.#wall += ms;
  }

  /** Waits until every promise has settled that needs no time to pass. */
  async settle(): Promise<void> {
    await new Promise(resolve => setImmediate(resolve));
  }

  #move(to: number): void {
    this.#wall += to - this.#monotonic;
    this.#monotonic = to;
  }

  #earliest(end: number): Waiting | undefined {
    let first: Waiting | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}
