// Decides which of a node's conditions other systems are told about, and when. It is a rule: it is given the time.
import type { NodeCondition } from '../../protocol/node-info.ts';

/** Least time between two events about the same condition of a node, in milliseconds. */
export const toldIntervalMs = 60_000;
/**
 * Time for which a condition must be away until it is told that it is over, in milliseconds. An agent that has just started does
 * not know its conditions before it has looked at its GPUs, and a driver has 15 s to answer.
 */
export const awayMs = 20_000;

/** What is to be told about one condition. */
export interface ConditionNews {
  isRaised: boolean;
  type: string;
  /** Why the condition came up; undefined when only an earlier requester heard that. */
  reason?: string | undefined;
  /** Time when it began, by the node's clock. */
  since?: string | undefined;
  /** Number of changes since it was told last that are not told. */
  untold: number;
  /** The types of all conditions that have been told and not cleared, after this. */
  conditions: string[];
}

interface Told {
  isRaised: boolean;
  /** Whether the node has it now. */
  isPresent: boolean;
  /** Monotonic time since which it does not have it, in milliseconds. */
  awaySinceMs: number;
  /** The condition as it was last. */
  last?: NodeCondition | undefined;
  /** Monotonic time at which it was told last, in milliseconds. */
  atMs: number;
  /** Number of changes since then. */
  changes: number;
}

/** What is known of a condition that this requester has told nobody. */
const unknown = { awaySinceMs: Number.NEGATIVE_INFINITY, atMs: Number.NEGATIVE_INFINITY, changes: 0 };

/** The conditions of one node: those that it has, and those that were told. */
export class ToldConditions {
  readonly #told = new Map<string, Told>();

  /** `raised` are the types that were told before, and not cleared. */
  constructor(raised: Iterable<string>) {
    for (const type of raised) this.#told.set(type, { ...unknown, isRaised: true, isPresent: true });
  }

  /** Notes which conditions the node has now. */
  note(present: readonly NodeCondition[], nowMs: number): void {
    const now = new Map(present.map(condition => [condition.Type, condition]));
    for (const type of now.keys())
      if (!this.#told.has(type)) this.#told.set(type, { ...unknown, isRaised: false, isPresent: false });
    for (const [type, told] of this.#told) {
      const condition = now.get(type);
      if (told.isPresent !== (condition !== undefined)) told.changes++;
      if (told.isPresent && !condition) told.awaySinceMs = nowMs;
      told.isPresent = condition !== undefined;
      told.last = condition ?? told.last;
    }
  }

  /**
   * Returns what is to be told now, and takes it as told. `mayTell` is asked before each, and says whether the node may have
   * one event more.
   */
  takeNews(nowMs: number, mayTell: () => boolean): ConditionNews[] {
    const news: ConditionNews[] = [];
    for (const [type, told] of this.#told) {
      if (nowMs - told.atMs < toldIntervalMs) continue;
      if (told.isPresent === told.isRaised) {
        if (!told.isRaised) this.#told.delete(type);
        continue;
      }
      if (!told.isPresent && nowMs - told.awaySinceMs < awayMs) continue;
      if (!mayTell()) break;
      const { last, changes } = told;
      Object.assign(told, { isRaised: told.isPresent, atMs: nowMs, changes: 0 });
      news.push({
        isRaised: told.isRaised,
        type,
        reason: last?.Reason,
        since: last?.Since,
        untold: changes - 1,
        conditions: this.#raised(),
      });
    }
    return news;
  }

  /** Whether `takeNews` has nothing to do later, unless something else is noted. */
  get isSettled(): boolean {
    return [...this.#told.values()].every(({ isRaised, isPresent }) => isRaised && isPresent);
  }

  /** Whether the node has no condition, and nothing has to be remembered. */
  get isEmpty(): boolean {
    return this.#told.size === 0;
  }

  #raised(): string[] {
    return [...this.#told].filter(([, { isRaised }]) => isRaised).map(([type]) => type);
  }
}
