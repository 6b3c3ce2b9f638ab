// The conflict detector notices two agents that use one node id: an older session still sends while the newer one is alive.
import type { Health, Membership, NodeState } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Counters } from '../status/counters.ts';

/** Least time between two announced conflicts of the same node, in milliseconds. */
const announceIntervalMs = 60_000;

export interface ConflictDetectorOptions {
  clock: Clock;
  log: Log;
  counters: Counters;
  /** Time after a registration in which messages of the earlier session may still arrive, in milliseconds. */
  settlingMs: number;
  health: { health(id: string): Health };
  announcer: { announceConflict(id: string, membership: Membership | '', rule: string): void };
}

export class ConflictDetector {
  readonly #options: ConflictDetectorOptions;
  /** Time when each node registered, in monotonic milliseconds, by node id. */
  readonly #registeredAt = new Map<string, number>();
  readonly #announcedAt = new Map<string, number>();

  constructor(options: ConflictDetectorOptions) {
    this.#options = options;
  }

  /** Notes a new record. When the answer to a registration is lost, only the record shows that the node registered. */
  onRecord(id: string, { Muster }: NodeState, before: NodeState | undefined): void {
    if (Muster?.RegisteredAt === before?.Muster?.RegisteredAt) return;
    this.#registeredAt.set(id, this.#options.clock.monotonic());
  }

  /** Forgets a node that is no longer on the roll. */
  onRemoved(id: string): void {
    this.#registeredAt.delete(id);
    this.#announcedAt.delete(id);
  }

  /** Notes a message that names another session than the node's record, which is `state`. */
  onOtherSession(state: NodeState): void {
    const { settlingMs, health, counters, log, announcer, clock } = this.#options;
    const id = state.Info.NodeID;
    if (this.#since(this.#registeredAt, id) < settlingMs || health.health(id) !== 'HEALTHY') return;
    counters.conflicts++;
    if (this.#since(this.#announcedAt, id) < announceIntervalMs) return;
    this.#announcedAt.set(id, clock.monotonic());
    log.warn({ node: id }, 'two agents seem to use this node id');
    const rule = 'a message of an older registration came while the newer one is alive';
    announcer.announceConflict(id, state.Membership, rule);
  }

  #since(times: Map<string, number>, id: string): number {
    return this.#options.clock.monotonic() - (times.get(id) ?? Number.NEGATIVE_INFINITY);
  }
}
