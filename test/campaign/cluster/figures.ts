// The figures of a campaign against a cluster: how long nothing was decided, and how late verdicts were, for each fault.
import type { Decided } from '../decisions.ts';

/** What one round showed. */
export interface RoundFigures {
  fault: string;
  /** Longest time between two decisions that were acknowledged, in milliseconds. */
  withoutDecisionsMs: number;
  /** Time from the end of a fault until a decision was acknowledged, in milliseconds; for a fault that leaves no quorum. */
  healedMs: number | undefined;
  /** Time until another requester watched, in milliseconds; for a fault of the watcher. */
  tookOverMs: number | undefined;
  /** Longest time for which a requester let verdicts wait, because the silence might be somebody else's fault. */
  heldMs: number;
  /** How much later than due each verdict about a canary was told, in milliseconds. */
  lateMs: readonly number[];
}

/** Follows the decisions of one round. Times are those of `performance.now()`. */
export class DecisionTimes {
  readonly #decided: Decided[] = [];
  #began = 0;

  /** Begins a round. */
  begin(at: number): void {
    this.#decided.length = 0;
    this.#began = at;
  }

  add(decided: Decided): void {
    this.#decided.push(decided);
  }

  /** Returns whether a decision that was sent after a time was acknowledged. */
  isDecidedAfter(at: number): boolean {
    return this.#done().some(({ sentAt }) => sentAt > at);
  }

  /** Returns the first decision that one of these requesters acknowledged, although it was sent and answered in between. */
  doneBetween(requesters: readonly string[], from: number, to: number): Decided | undefined {
    return this.#done().find(
      ({ requester, sentAt, endedAt }) =>
        requester !== undefined && requesters.includes(requester) && sentAt > from && endedAt < to,
    );
  }

  /** Returns the time from `at` until a decision was acknowledged that was sent later. */
  firstAfter(at: number): number | undefined {
    const first = this.#done().find(({ sentAt }) => sentAt > at);
    return first && first.endedAt - at;
  }

  /** Returns the longest time since the beginning of the round in which no decision was acknowledged. */
  longestGap(): number {
    const times = [this.#began, ...this.#done().map(({ endedAt }) => endedAt)];
    return Math.max(0, ...times.slice(1).map((at, index) => at - (times[index] ?? at)));
  }

  #done(): Decided[] {
    return this.#decided.filter(({ outcome }) => outcome === 'done');
  }
}

/** Returns the lines of a table with the figures of each fault: how often, and the median and the worst of each figure. */
export function figureLines(rounds: readonly RoundFigures[]): string[] {
  const byFault = Map.groupBy(rounds, ({ fault }) => fault);
  const width = Math.max(...[...byFault.keys()].map(name => name.length), 5);
  const head = [
    'rounds',
    'without decisions',
    'after the end',
    'watched again',
    'verdicts held',
    'verdicts late',
  ].map(text => text.padStart(19));
  return [
    `${'fault'.padEnd(width)}${head.join('')}`,
    ...[...byFault].map(([name, list]) => {
      const cells = [
        String(list.length),
        medianAndWorst(list.map(each => each.withoutDecisionsMs)),
        medianAndWorst(list.flatMap(({ healedMs }) => healedMs ?? [])),
        medianAndWorst(list.flatMap(({ tookOverMs }) => tookOverMs ?? [])),
        medianAndWorst(list.map(({ heldMs }) => heldMs)),
        medianAndWorst(list.flatMap(({ lateMs }) => lateMs)),
      ];
      return `${name.padEnd(width)}${cells.map(text => text.padStart(19)).join('')}`;
    }),
  ];
}

function medianAndWorst(values: readonly number[]): string {
  if (values.length === 0) return '–';
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return `${seconds(median)}, ${seconds(sorted.at(-1) ?? 0)} s`;
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
