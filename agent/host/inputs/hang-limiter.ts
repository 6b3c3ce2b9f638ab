// Questions that may never be answered: each is given up at its deadline, and not asked again before it has ended.

import { type Clock, systemClock } from '../../system/clock.ts';
import { errnoOf, MusterError, reasonOf } from '../../system/errors.ts';
import type { Answer, Fault } from './inputs.ts';

export interface HangLimiterOptions {
  /** Milliseconds for one question. */
  deadline: number;
  /**
   * Questions that may be out at one time, as all of them may hang: each holds a thread of Node's pool of four, on which the
   * whole process waits for files and names. Others wait their turn; with so many hanging, nothing more is asked.
   */
  maxHung: number;
  clock?: Clock;
}

export class HangLimiter {
  readonly #deadline: number;
  readonly #maxHung: number;
  readonly #clock: Clock;
  /** What was given up and has not ended, and when it was asked. */
  readonly #hung = new Set<{ what: string; since: Date }>();
  /** Questions that have not ended, those given up included. */
  #out = 0;
  /** Who waits for a turn. */
  readonly #waiting: (() => void)[] = [];

  constructor({ deadline, maxHung, clock = systemClock }: HangLimiterOptions) {
    this.#deadline = deadline;
    this.#maxHung = maxHung;
    this.#clock = clock;
  }

  /** How many questions were given up and have not ended. */
  get hung(): number {
    return this.#hung.size;
  }

  /** Asks `question`; `what` names it. Never throws. */
  async ask<T>(what: string, question: () => Promise<T>): Promise<Answer<T>> {
    for (;;) {
      const refused = this.#refusal(what);
      if (refused !== undefined) return { fault: { kind: 'late', reason: refused }, took: 0 };
      if (this.#out < this.#maxHung) break;
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
    const since = this.#clock.now();
    const began = this.#clock.monotonic();
    const took = () => this.#clock.monotonic() - began;
    this.#out++;
    const asked = question()
      .then(
        (value): Answer<T> => ({ value, took: took() }),
        (error: unknown): Answer<T> => ({ fault: faultOf(error), took: took() }),
      )
      .finally(() => {
        this.#out--;
        this.#waiting.shift()?.();
      });
    const { promise: patience, resolve } = Promise.withResolvers<undefined>();
    const timer = this.#clock.after(this.#deadline, () => resolve(undefined));
    const answer = await Promise.race([asked, patience]);
    timer.cancel();
    if (answer) return answer;
    const hanging = { what, since };
    this.#hung.add(hanging);
    void asked.then(() => this.#hung.delete(hanging));
    // Who waits for this very answer, or for the last place, waits in vain.
    for (const turn of this.#waiting.splice(0)) turn();
    return {
      fault: { kind: 'late', reason: `did not answer within ${this.#deadline / 1000} s` },
      took: took(),
    };
  }

  // In words that stay the same while it hangs: a reason that changes is news, to be sent and stored.
  #refusal(what: string): string | undefined {
    const same = [...this.#hung].find(hanging => hanging.what === what);
    if (same) return `has not answered since ${toTheSecond(same.since)}`;
    const [first, ...more] = this.#hung;
    if (!first || this.#hung.size < this.#maxHung) return undefined;
    return `was not asked, as ${first.what} ${more.length > 0 ? `and ${more.length} more hang` : 'hangs'}`;
  }
}

/** RFC 3339, for a reason that tells since when. */
export const toTheSecond = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;

/** What an error of the operating system means for the question. */
export function faultOf(error: unknown): Fault {
  // Our own reading of files wraps the system's error.
  const cause = error instanceof MusterError && error.cause !== undefined ? error.cause : error;
  const code = errnoOf(cause);
  if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent', reason: 'is not there' };
  if (code === 'EACCES' || code === 'EPERM') return { kind: 'denied', reason: 'may not be read' };
  if (code === 'ETIMEDOUT') return { kind: 'late', reason: `was too slow: ${reasonOf(cause)}` };
  return { kind: 'failed', reason: `failed: ${reasonOf(cause)}` };
}
