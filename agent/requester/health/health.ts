// Says which nodes are alive: the health rule, and queues in which a heartbeat and an expiry cost O(1).
import type { Health } from '../../protocol/node-state.ts';

export interface HealthLimits {
  /** Silence after which a node is UNHEALTHY, in milliseconds. */
  disconnectedAfterMs: number;
  /** Silence after which a node is UNKNOWN, in milliseconds. */
  unknownAfterMs: number;
}

/**
 * The health rule. `silenceMs` is the time since the node's last sign of life; undefined when there was none since the
 * requester started, or the node said that it stops.
 */
export function healthOf(silenceMs: number | undefined, limits: HealthLimits): Health {
  if (silenceMs === undefined || silenceMs >= limits.unknownAfterMs) return 'UNKNOWN';
  return silenceMs >= limits.disconnectedAfterMs ? 'UNHEALTHY' : 'HEALTHY';
}

/** What is remembered of one node's signs of life, in memory only. */
export interface Liveness {
  readonly id: string;
  /** Listening time of the last sign of life, in milliseconds; undefined as in `healthOf`. */
  lastSeen: number | undefined;
  /** The same on the wall clock, in milliseconds since 1970, as are the next two. */
  lastSeenAt: number | undefined;
  /** When it last became HEALTHY. */
  healthySince: number | undefined;
  /** When it last ceased to be HEALTHY; undefined while it is. */
  silentSince: number | undefined;
  /** It said that it stops. */
  left: boolean;
  /** The health that other systems were told last. */
  announced: Health;
  /** The number in its latest heartbeat. */
  sequence: number;
  queue: Queue | undefined;
  older: Liveness | undefined;
  newer: Liveness | undefined;
}

/** The liveness of all nodes on the roll. It has no clock and announces nothing: its caller does both. */
export class LivenessTable {
  readonly #nodes = new Map<string, Liveness>();
  // Both are ordered by last-seen time. A node moves from `alive` to `silent` when it is found UNHEALTHY, and out of
  // `silent` when it is found UNKNOWN.
  readonly #alive = new Queue();
  readonly #silent = new Queue();
  readonly #limits: HealthLimits;

  constructor(limits: HealthLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#nodes.size;
  }

  get(id: string): Liveness | undefined {
    return this.#nodes.get(id);
  }

  /** Adds a node; one that is there already stays as it is. `announced` is the health that was announced last. */
  add(id: string, announced: Health = 'UNKNOWN'): Liveness {
    const present = this.#nodes.get(id);
    if (present) return present;
    const node: Liveness = {
      id,
      lastSeen: undefined,
      lastSeenAt: undefined,
      healthySince: undefined,
      silentSince: undefined,
      left: false,
      announced,
      sequence: 0,
      queue: undefined,
      older: undefined,
      newer: undefined,
    };
    this.#nodes.set(id, node);
    return node;
  }

  /** Removes a node and all that is remembered of it. */
  delete(id: string): void {
    const node = this.#nodes.get(id);
    node?.queue?.remove(node);
    this.#nodes.delete(id);
  }

  /**
   * Notes a sign of life and returns the node; undefined when it is not on the roll. `now` is listening time, `at` the wall
   * clock, both in milliseconds.
   */
  markAlive(id: string, now: number, at: number): Liveness | undefined {
    const node = this.#nodes.get(id);
    if (!node) return undefined;
    if (this.health(node, now) !== 'HEALTHY') node.healthySince = at;
    node.queue?.remove(node);
    node.lastSeen = now;
    node.lastSeenAt = at;
    node.silentSince = undefined;
    node.left = false;
    this.#alive.append(node);
    return node;
  }

  /** Notes that the node said that it stops: it is UNKNOWN at once. */
  markLeft(node: Liveness): void {
    node.queue?.remove(node);
    node.lastSeen = undefined;
    node.left = true;
  }

  health(node: Liveness | undefined, now: number): Health {
    return healthOf(node?.lastSeen === undefined ? undefined : now - node.lastSeen, this.#limits);
  }

  /** Yields the nodes whose health fell since the last call, oldest first. Each fall of a node is yielded once. */
  *expired(now: number): Generator<{ node: Liveness; health: Health }> {
    for (let node = this.#silent.oldest; node; node = this.#silent.oldest) {
      if (this.health(node, now) !== 'UNKNOWN') break;
      this.#silent.remove(node);
      yield { node, health: 'UNKNOWN' };
    }
    for (let node = this.#alive.oldest; node; node = this.#alive.oldest) {
      const health = this.health(node, now);
      if (health === 'HEALTHY') break;
      this.#alive.remove(node);
      if (health === 'UNHEALTHY') this.#silent.append(node);
      yield { node, health };
    }
  }

  values(): IterableIterator<Liveness> {
    return this.#nodes.values();
  }
}

/** A doubly linked list through the nodes themselves, so that a node is removed from its middle as fast as from its end. */
class Queue {
  oldest: Liveness | undefined;
  #newest: Liveness | undefined;

  append(node: Liveness): void {
    node.queue = this;
    node.older = this.#newest;
    node.newer = undefined;
    if (this.#newest) this.#newest.newer = node;
    else this.oldest = node;
    this.#newest = node;
  }

  remove(node: Liveness): void {
    if (node.older) node.older.newer = node.newer;
    else this.oldest = node.newer;
    if (node.newer) node.newer.older = node.older;
    else this.#newest = node.older;
    node.queue = undefined;
    node.older = undefined;
    node.newer = undefined;
  }
}
