// Questions that may never be answered: each is given up at its deadline, and not asked again before it has ended.

import { type Clock, systemClock } from '../system/clock.ts';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import type { Answer, Fault } from './inputs.ts';

export interface PatienceOptions {
  /** Milliseconds for one question. */
  deadline: number;
  /**
   * Questions that may hang at one time: each holds a thread of Node's pool of four, on which the whole process waits for
   * files and names. With so many hanging, nothing more is asked.
   */
  mostHung: number;
  clock?: Clock;
}

export class Patience {
  readonly #deadline: number;
  readonly #mostHung: number;
  readonly #clock: Clock;
  /** What hangs, and since when on the monotonic clock. */
  readonly #hung = new Map<string, number>();

  constructor({ deadline, mostHung, clock = systemClock }: PatienceOptions) {
    this.#deadline = deadline;
    this.#mostHung = mostHung;
    this.#clock = clock;
  }

  /** How many questions were given up and have not ended. */
  get hung(): number {
    return this.#hung.size;
  }

  /** Asks `question`; `what` names it. Never throws. */
  async ask<T>(what: string, question: () => Promise<T>): Promise<Answer<T>> {
    const began = this.#clock.monotonic();
    const took = () => this.#clock.monotonic() - began;
    const since = this.#hung.get(what);
    if (since !== undefined) {
      const seconds = Math.round((began - since) / 1000);
      return { fault: { kind: 'late', reason: `has not answered for ${seconds} s` }, took: 0 };
    }
    if (this.#hung.size >= this.#mostHung) {
      return { fault: { kind: 'late', reason: 'was not asked, as too much else hangs' }, took: 0 };
    }
    const asked = question().then(
      (value): Answer<T> => ({ value, took: took() }),
      (error: unknown): Answer<T> => ({ fault: faultOf(error), took: took() }),
    );
    const { promise: patience, resolve } = Promise.withResolvers<undefined>();
    const timer = this.#clock.after(this.#deadline, () => resolve(undefined));
    const answer = await Promise.race([asked, patience]);
    timer.cancel();
    if (answer) return answer;
    this.#hung.set(what, began);
    void asked.then(() => this.#hung.delete(what));
    return {
      fault: { kind: 'late', reason: `did not answer within ${this.#deadline / 1000} s` },
      took: took(),
    };
  }
}

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
