// Announces the conditions of nodes that come up and go, while its requester watches over the roll.
import type { NodeState } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { Rounds } from '../../system/rounds.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import type { RollObserver } from '../roll/roll-observer.ts';
import { type ConditionNews, ToldConditions } from './told-conditions.ts';

/** So many events about conditions of a node are sent at once, and then one in each interval: a node may make up names. */
const nodeLimits = { burst: 16, refillMs: 5_000 };
/** Time between two looks at what has changed, in milliseconds. */
const lookMs = 1_000;

export interface ConditionAnnouncementsOptions {
  clock: Clock;
  log: Log;
  announcer: {
    announceCondition(node: NodeState, news: ConditionNews): void;
    /** Returns the types of the conditions that were announced last and not cleared since. */
    announcedConditions(node: string): readonly string[];
  };
  /** Returns the records of all nodes. */
  records(): Iterable<NodeState>;
}

/**
 * What was announced is remembered by the newest event of a node about a condition. So nothing has to be stored, and a
 * requester that begins to watch tells only what differs from that event.
 */
export class ConditionAnnouncements implements RollObserver {
  readonly #options: ConditionAnnouncementsOptions;
  readonly #limits: TokenBuckets;
  /** The nodes that have a condition, or had one that still has to be told, with their records. */
  readonly #nodes = new Map<string, { conditions: ToldConditions; state: NodeState }>();
  /** The nodes that have to be looked at. */
  readonly #changed = new Set<string>();
  readonly #rounds: Rounds;

  constructor(options: ConditionAnnouncementsOptions) {
    this.#options = options;
    this.#limits = new TokenBuckets(nodeLimits, () => options.clock.monotonic());
    this.#rounds = new Rounds({
      clock: options.clock,
      pauseMs: lookMs,
      isNeeded: () => this.#changed.size > 0,
      work: () => {
        for (const id of this.#changed) this.#look(id);
      },
    });
  }

  /** Begins to announce, because this requester begins to watch. Returns what ends that. */
  begin(): { stop(): void } {
    this.#rounds.start();
    this.#nodes.clear();
    for (const state of this.#options.records()) this.onRecord(state.Info.NodeID, state);
    return {
      stop: () => {
        this.#rounds.stop();
        this.#changed.clear();
      },
    };
  }

  onRecord(id: string, state: NodeState): void {
    // A record without a session was rebuilt from events, or is of a Bacalhau node: it does not know of any conditions.
    if (!this.#rounds.isOn || !state.Muster?.Session) return;
    const { Conditions = [] } = state.Info;
    let node = this.#nodes.get(id);
    if (!node) {
      const raised = this.#options.announcer.announcedConditions(id);
      if (Conditions.length === 0 && raised.length === 0) return;
      node = { conditions: new ToldConditions(raised), state };
      this.#nodes.set(id, node);
    }
    node.state = state;
    node.conditions.note(Conditions, this.#options.clock.monotonic());
    if (node.conditions.isSettled) return;
    this.#changed.add(id);
    // The event that the node has registered comes after this call, and has to be the first.
    this.#rounds.plan();
  }

  onRemoved(id: string): void {
    this.#nodes.delete(id);
    this.#changed.delete(id);
  }

  #look(id: string): void {
    const { clock, log, announcer } = this.#options;
    const node = this.#nodes.get(id);
    if (node) {
      const { conditions, state } = node;
      for (const news of conditions.takeNews(clock.monotonic(), () => this.#limits.take(id))) {
        const { type, reason, isRaised } = news;
        const text = isRaised ? 'a condition of a node came up' : 'a condition of a node is over';
        log.info({ node: id, condition: type, reason }, text);
        announcer.announceCondition(state, news);
      }
      if (!conditions.isSettled) return;
      if (conditions.isEmpty) this.#nodes.delete(id);
    }
    this.#changed.delete(id);
  }
}
