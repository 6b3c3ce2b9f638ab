// Forgets the nodes that were not heard for `requester.forgetAfter`. The requester that watches does it, a few at a time.
import type { NodeState } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { inGroups } from '../../system/in-groups.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { Rounds } from '../../system/rounds.ts';
import { BrokerError } from '../../transport/port.ts';
import type { HealthWatch } from '../health/health-watch.ts';
import { knownSilenceMs } from '../health/known-silence.ts';
import type { Roll } from '../roll/roll.ts';
import { forgetNode, ownForgetting } from '../roll/tombstones.ts';

/** Time between two looks, in milliseconds. */
const lookMs = 60_000;
/** Number of nodes that are forgotten in one look at most, and at the same time. */
const perLook = 100;
const atOnce = 8;
/** Number of nodes that a line of the log names. */
const namedInLog = 5;

export interface ForgettingOptions {
  clock: Clock;
  log: Log;
  requesterId: string;
  /** The present setting, in milliseconds; without `forgetAfter` no node is forgotten. */
  policy: { readonly forgetAfter?: number | undefined };
  /** Time for which this requester must have listened to the nodes before it forgets any, in milliseconds. */
  settleMs: number;
  health: Pick<HealthWatch, 'silenceMs' | 'liveness' | 'health' | 'listeningMs' | 'degradedReason'>;
  roll: Pick<Roll, 'decide'> & { records: { list(): Iterable<NodeState> } };
}

/**
 * A requester that was away for weeks has heard nobody for as long, so it listens first. What is older than its start is known by
 * the wall clock alone. So a clock that is set ahead while it runs makes no silence longer.
 */
export class Forgetting {
  readonly #options: ForgettingOptions;
  readonly #limitedLog: LimitedLog;
  readonly #rounds: Rounds;
  #began: { at: number; monotonic: number; listening: number } | undefined;

  constructor(options: ForgettingOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
    this.#rounds = new Rounds({ clock: options.clock, pauseMs: lookMs, work: () => this.#look() });
  }

  /** Begins to forget, because this requester begins to watch. Returns what ends that. */
  begin(): { stop(): void } {
    const { clock, health } = this.#options;
    const monotonic = clock.monotonic();
    this.#began = { at: clock.now().getTime(), monotonic, listening: health.listeningMs() };
    this.#rounds.start();
    return {
      stop: () => {
        this.#began = undefined;
        this.#rounds.stop();
      },
    };
  }

  async #look(): Promise<void> {
    const { policy, health, settleMs, log } = this.#options;
    const { forgetAfter } = policy;
    if (forgetAfter === undefined || !this.#began) return;
    if (health.degradedReason !== undefined) return;
    if (health.listeningMs() - this.#began.listening < settleMs) return;
    const due = this.#due(forgetAfter);
    const forgotten: string[] = [];
    await inGroups(due, atOnce, async id => {
      if (await this.#forget(id, forgetAfter)) forgotten.push(id);
    });
    if (forgotten.length === 0) return;
    const nodes = forgotten.slice(0, namedInLog);
    const text = 'nodes were not heard for requester.forgetAfter, and are forgotten';
    log.info({ number: forgotten.length, nodes }, text);
  }

  /** Returns the nodes that are due, the longest silent first. */
  #due(forgetAfterMs: number): string[] {
    const { roll, health } = this.#options;
    const due: { id: string; silenceMs: number }[] = [];
    for (const { Info, Membership } of roll.records.list()) {
      if (Info.NodeType !== 'Compute' || Membership === 'REJECTED') continue;
      const id = Info.NodeID;
      const silenceMs = this.#silenceMs(id);
      if (silenceMs === undefined || silenceMs < forgetAfterMs) continue;
      if (health.health(id) !== 'HEALTHY') due.push({ id, silenceMs });
    }
    due.sort((a, b) => b.silenceMs - a.silenceMs);
    return due.slice(0, perLook).map(({ id }) => id);
  }

  #silenceMs(id: string): number | undefined {
    const { clock, health } = this.#options;
    const { at, monotonic } = this.#began ?? { at: 0, monotonic: clock.monotonic() };
    return knownSilenceMs(health, id, new Date(at + clock.monotonic() - monotonic));
  }

  async #forget(id: string, forgetAfterMs: number): Promise<boolean> {
    const { roll, health, requesterId } = this.#options;
    if (!this.#began) return false;
    const isHealthy = (node: string) => health.health(node) === 'HEALTHY';
    const rule = forgetNode(forgetAfterMs, node => this.#silenceMs(node), isHealthy);
    try {
      await roll.decide(id, ownForgetting(requesterId, forgetAfterMs), rule);
      return true;
    } catch (error) {
      // It was heard or decided about since.
      if (error instanceof MusterError) return false;
      if (!(error instanceof BrokerError)) throw error;
      const text = 'a silent node could not be forgotten; it is tried again';
      this.#limitedLog.warn('forget', { node: id, err: error }, text);
      return false;
    }
  }
}
