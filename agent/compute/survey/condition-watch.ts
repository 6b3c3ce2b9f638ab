// Holds the conditions of this node, and logs when one begins and when it ends.
import {
  type ConditionType,
  noConditions,
  type Observation,
  updateConditions,
} from '../../host/conditions.ts';
import type { NodeCondition } from '../../protocol/node-info.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';

export class ConditionWatch {
  readonly #node: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #state = noConditions;
  #conditions: readonly NodeCondition[] = [];

  constructor({ node, clock, log }: { node: string; clock: Clock; log: Log }) {
    this.#node = node;
    this.#clock = clock;
    this.#log = log;
  }

  /** The problems that this node has now. */
  get current(): readonly NodeCondition[] {
    return this.#conditions;
  }

  has(type: ConditionType): boolean {
    return this.#state.conditions.some(condition => condition.type === type);
  }

  /** Applies the rules to what was observed. Returns true when a condition began, changed its reason, or ended. */
  update(observed: Omit<Observation, 'monotonicMs' | 'now'>): boolean {
    const { conditions: before } = this.#state;
    this.#state = updateConditions(this.#state, {
      monotonicMs: this.#clock.monotonic(),
      now: this.#clock.now(),
      ...observed,
    });
    const { conditions: now } = this.#state;
    const isWell = now.length === 0 && before.length === 0;
    if (isWell || JSON.stringify(now) === JSON.stringify(before)) return false;
    this.#conditions = now.map(({ type, reason, since }) => ({ Type: type, Reason: reason, Since: since }));
    const node = this.#node;
    for (const { type, reason } of now) {
      if (!before.some(other => other.type === type))
        this.#log.warn({ node, condition: type, reason }, 'a condition of this node came up');
    }
    for (const { type } of before) {
      if (!this.has(type)) this.#log.info({ node, condition: type }, 'a condition of this node is over');
    }
    return true;
  }
}
