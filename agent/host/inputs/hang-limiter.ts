// Limits the harm of calls that may hang: after a time the caller no longer waits, and the call is not repeated before it
// has ended.
import { type Clock, systemClock } from '../../system/clock.ts';
import { errnoOf, MusterError, reasonOf } from '../../system/errors.ts';
import type { Answer, Fault } from './inputs.ts';

export interface HangLimiterOptions {
  /** Time after which a caller no longer waits for a call, in milliseconds. */
  timeoutMs: number;
  /**
   * Number of calls that may run at the same time. All of them may hang, and each uses one of the four threads on which
   * the whole Node process reads files and resolves host names. Further calls wait for their turn. While this many calls
   * hang, all others are refused.
   */
  maxHung: number;
  clock?: Clock;
}

export class HangLimiter {
  readonly #timeoutMs: number;
  readonly #maxHung: number;
  readonly #clock: Clock;
  /** Calls that hang: they took too long, and have not ended. */
  readonly #hung = new Set<{ what: string; since: Date }>();
  /** Number of calls that have not ended, including those that hang. */
  #underWay = 0;
  /** Functions that start the waiting calls, the first one first. */
  readonly #waiting: (() => void)[] = [];

  constructor({ timeoutMs, maxHung, clock = systemClock }: HangLimiterOptions) {
    this.#timeoutMs = timeoutMs;
    this.#maxHung = maxHung;
    this.#clock = clock;
  }

  /** Number of calls that hang. */
  get hung(): number {
    return this.#hung.size;
  }

  /**
   * Runs `call`. `what` names it in a reason, and two calls with the same `what` are the same call. Never throws: a
   * failure becomes a fault.
   */
  async ask<T>(what: string, call: () => Promise<T>): Promise<Answer<T>> {
    for (;;) {
      const refusal = this.#refusal(what);
      if (refusal !== undefined) return { fault: { kind: 'late', reason: refusal }, took: 0 };
      if (this.#underWay < this.#maxHung) break;
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
    const since = this.#clock.now();
    const startMs = this.#clock.monotonic();
    const took = () => this.#clock.monotonic() - startMs;
    this.#underWay++;
    const answered = call()
      .then(
        (value): Answer<T> => ({ value, took: took() }),
        (error: unknown): Answer<T> => ({ fault: faultOf(error), took: took() }),
      )
      .finally(() => {
        this.#underWay--;
        this.#waiting.shift()?.();
      });
    const { promise: timedOut, resolve } = Promise.withResolvers<undefined>();
    const timer = this.#clock.after(this.#timeoutMs, () => resolve(undefined));
    const answer = await Promise.race([answered, timedOut]);
    timer.cancel();
    if (answer) return answer;
    const hanging = { what, since };
    this.#hung.add(hanging);
    void answered.then(() => this.#hung.delete(hanging));
    // The waiting calls check again. A call that hangs is refused, and every call is refused when all places hang.
    for (const proceed of this.#waiting.splice(0)) proceed();
    return {
      fault: { kind: 'late', reason: `did not answer within ${this.#timeoutMs / 1000} s` },
      took: took(),
    };
  }

  // The text stays the same while the call hangs, because a changed reason is sent and stored as a change of the node.
  #refusal(what: string): string | undefined {
    if (this.#hung.size === 0) return undefined;
    const same = [...this.#hung].find(hanging => hanging.what === what);
    if (same) return `has not answered since ${toTheSecond(same.since)}`;
    const [first, ...more] = this.#hung;
    if (!first || this.#hung.size < this.#maxHung) return undefined;
    return `was not asked, because ${first.what} ${more.length > 0 ? `and ${more.length} more hang` : 'hangs'}`;
  }
}

/** Writes a time in RFC 3339 without fractions of a second, for a reason. */
export const toTheSecond = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;

/** Returns the fault for an error of the operating system. */
export function faultOf(error: unknown): Fault {
  // The functions in agent/system/files.ts wrap the error of the system.
  const cause = error instanceof MusterError && error.cause !== undefined ? error.cause : error;
  const code = errnoOf(cause);
  if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent', reason: 'is not there' };
  if (code === 'EACCES' || code === 'EPERM') return { kind: 'denied', reason: 'may not be read' };
  if (code === 'ETIMEDOUT') return { kind: 'late', reason: `was too slow: ${reasonOf(cause)}` };
  return { kind: 'failed', reason: `failed: ${reasonOf(cause)}` };
}
