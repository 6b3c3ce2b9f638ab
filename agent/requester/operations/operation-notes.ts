// The operation notes are what this requester knows of operations that stand in no record: those that are under way, and
// the last ones that it refused.
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';

/** What an operation wants to do to which node, or to what else, such as `operator ada`. */
export interface Wanted {
  node?: string;
  what?: string;
  action: string;
}

/** A refusal; `at` is RFC 3339, `reason` the sentence that the operator got. */
export interface NotedRefusal extends Wanted {
  at: string;
  reason: string;
}

/** Number of operations whose refusals are remembered. */
const maxRefused = 1_000;
/** Number of refusals that are remembered of one operation. */
const maxOfOne = 100;

export class OperationNotes {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #underWay = new Map<string, Wanted[]>();
  readonly #refused = new Map<string, NotedRefusal[]>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Carries out `work`, which is what an operation wants, and notes how it goes. Throws what `work` throws. */
  async during<T>(operation: string | undefined, wanted: Wanted, work: () => Promise<T>): Promise<T> {
    if (operation === undefined) return work();
    const others = this.#underWay.get(operation) ?? [];
    this.#underWay.set(operation, [...others, wanted]);
    try {
      return await work();
    } catch (error) {
      // Without an answer of the store nobody knows yet whether it was carried out.
      if (error instanceof MusterError && error.code !== 'unreachable')
        this.#addRefusal(operation, {
          ...wanted,
          reason: error.message,
          at: this.#clock.now().toISOString(),
        });
      throw error;
    } finally {
      const left = (this.#underWay.get(operation) ?? []).filter(each => each !== wanted);
      if (left.length > 0) this.#underWay.set(operation, left);
      else this.#underWay.delete(operation);
    }
  }

  /** Returns what an operation is doing now. */
  underWay(operation: string): readonly Wanted[] {
    return this.#underWay.get(operation) ?? [];
  }

  /** Returns what was refused of an operation since this start. */
  refused(operation: string): readonly NotedRefusal[] {
    return this.#refused.get(operation) ?? [];
  }

  #addRefusal(operation: string, refusal: NotedRefusal): void {
    const known = this.#refused.get(operation) ?? [];
    this.#refused.delete(operation);
    this.#refused.set(operation, [...known, refusal].slice(-maxOfOne));
    const [oldest] = this.#refused.size > maxRefused ? this.#refused.keys() : [];
    if (oldest !== undefined) this.#refused.delete(oldest);
  }
}
