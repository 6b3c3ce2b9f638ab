// Decides which nodes are alive. A heartbeat and an expiry cost the same time however many nodes there are.
import type { Health } from '../../protocol/node-state.ts';
import { type Linked, LinkedQueue } from '../../system/linked-queue.ts';
import { NumberRows } from '../../system/number-rows.ts';

export interface HealthLimits {
  /** Silence, in milliseconds, after which a node is UNHEALTHY. */
  disconnectedAfterMs: number;
  /** Silence, in milliseconds, after which a node is UNKNOWN. */
  unknownAfterMs: number;
}

/**
 * Returns the health of a node. `silenceMs` is the time since its last sign of life; undefined when there was none since
 * the requester started, or when the node said that it stops.
 */
export function healthOf(silenceMs: number | undefined, limits: HealthLimits): Health {
  if (silenceMs === undefined || silenceMs >= limits.unknownAfterMs) return 'UNKNOWN';
  return silenceMs >= limits.disconnectedAfterMs ? 'UNHEALTHY' : 'HEALTHY';
}

/** The data about one node's signs of life, in memory only. */
export interface Liveness extends Linked<Liveness> {
  readonly id: string;
  /** Listening time at the last sign of life, in milliseconds; undefined as in `healthOf`. */
  lastSeen: number | undefined;
  /**
   * Wall-clock time of the last sign of life, in milliseconds since 1970, also of one before the requester started. The next
   * two have the same unit.
   */
  lastSeenAt: number | undefined;
  /** Time when the node last became HEALTHY. */
  healthySince: number | undefined;
  /** Time when the node last ceased to be HEALTHY; undefined while it is HEALTHY. */
  silentSince: number | undefined;
  /** Whether the node said that it stops. */
  left: boolean;
  /** The health that was last announced to other systems. */
  announced: Health;
  /** The number in the node's latest heartbeat. */
  sequence: number;
  /**
   * The session under which a heartbeat counts without a look at the record; undefined for a node without a session, and null
   * for one whose record has to be looked at.
   */
  session: string | undefined | null;
}

/** The columns of a node's numbers. NaN stands for undefined. */
const column = { lastSeen: 0, lastSeenAt: 1, healthySince: 2, silentSince: 3, sequence: 4 } as const;
const columns = 5;

/** Its numbers are in a row, where each heartbeat takes the place of the one before and leaves no garbage. */
class KeptLiveness implements Liveness {
  readonly id: string;
  readonly #index: number;
  #block: Float64Array;
  #at: number;
  left = false;
  announced: Health;
  session: string | undefined | null = null;
  queue: LinkedQueue<Liveness> | undefined;
  older: Liveness | undefined;
  newer: Liveness | undefined;

  constructor(id: string, announced: Health, rows: NumberRows) {
    this.id = id;
    this.announced = announced;
    this.#index = rows.add();
    const { block, at } = rows.at(this.#index);
    this.#block = block;
    this.#at = at;
    this.sequence = 0;
  }

  /** Gives its row back, and keeps its numbers for those who still have this node. */
  leave(rows: NumberRows): void {
    this.#block = this.#block.slice(this.#at, this.#at + columns);
    this.#at = 0;
    rows.remove(this.#index);
  }

  get lastSeen(): number | undefined {
    return orAbsent(this.#block[this.#at + column.lastSeen]);
  }
  set lastSeen(value: number | undefined) {
    this.#block[this.#at + column.lastSeen] = value ?? Number.NaN;
  }

  get lastSeenAt(): number | undefined {
    return orAbsent(this.#block[this.#at + column.lastSeenAt]);
  }
  set lastSeenAt(value: number | undefined) {
    this.#block[this.#at + column.lastSeenAt] = value ?? Number.NaN;
  }

  get healthySince(): number | undefined {
    return orAbsent(this.#block[this.#at + column.healthySince]);
  }
  set healthySince(value: number | undefined) {
    this.#block[this.#at + column.healthySince] = value ?? Number.NaN;
  }

  get silentSince(): number | undefined {
    return orAbsent(this.#block[this.#at + column.silentSince]);
  }
  set silentSince(value: number | undefined) {
    this.#block[this.#at + column.silentSince] = value ?? Number.NaN;
  }

  get sequence(): number {
    return this.#block[this.#at + column.sequence] ?? 0;
  }
  set sequence(value: number) {
    this.#block[this.#at + column.sequence] = value;
  }
}

const orAbsent = (value: number | undefined): number | undefined =>
  value === undefined || Number.isNaN(value) ? undefined : value;

/**
 * The table of the signs of life of all nodes on the roll. It reads no clock and announces nothing: its caller does both.
 */
export class LivenessTable {
  readonly #nodes = new Map<string, KeptLiveness>();
  readonly #rows = new NumberRows(columns);
  // Both queues are ordered by the last sign of life. A node moves from `alive` to `silent` when it becomes UNHEALTHY, and
  // leaves `silent` when it becomes UNKNOWN.
  readonly #alive = new LinkedQueue<Liveness>();
  readonly #silent = new LinkedQueue<Liveness>();
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

  /**
   * Adds a node. A node that is already there does not change. `announced` is the health that was announced last,
   * `lastSeenAt` the time of the last sign of life before this start.
   */
  add(id: string, announced: Health = 'UNKNOWN', lastSeenAt?: number): Liveness {
    const present = this.#nodes.get(id);
    if (present) return present;
    const node = new KeptLiveness(id, announced, this.#rows);
    node.lastSeenAt = lastSeenAt;
    this.#nodes.set(id, node);
    return node;
  }

  /** Notes the session of a node, as in `Liveness`. */
  setSession(id: string, session: string | undefined | null): void {
    const node = this.#nodes.get(id);
    if (node) node.session = session;
  }

  /** Removes a node with all its data. */
  delete(id: string): void {
    const node = this.#nodes.get(id);
    if (!node) return;
    node.queue?.remove(node);
    this.#nodes.delete(id);
    node.leave(this.#rows);
  }

  /**
   * Notes a sign of life and returns the node; undefined when it is not on the roll. `now` is the listening time, `at`
   * the time of the wall clock, both in milliseconds.
   */
  markAlive(id: string, now: number, at: number): Liveness | undefined {
    const node = this.#nodes.get(id);
    if (node) this.note(node, now, at);
    return node;
  }

  /** Notes a sign of life of a node of this table; see `markAlive`. */
  note(node: Liveness, now: number, at: number): void {
    if (this.health(node, now) !== 'HEALTHY') node.healthySince = at;
    node.queue?.remove(node);
    node.lastSeen = now;
    node.lastSeenAt = at;
    node.silentSince = undefined;
    node.left = false;
    this.#alive.append(node);
  }

  /** Notes that the node said it stops. It is UNKNOWN at once. */
  markLeft(node: Liveness): void {
    node.queue?.remove(node);
    node.lastSeen = undefined;
    node.left = true;
  }

  health(node: Liveness | undefined, now: number): Health {
    return healthOf(node?.lastSeen === undefined ? undefined : now - node.lastSeen, this.#limits);
  }

  /** Number of the nodes that were HEALTHY when `expired` was called last, or were heard since. */
  get alive(): number {
    return this.#alive.size;
  }

  /** Whether a node is among those of `alive`. */
  isAlive(node: Liveness): boolean {
    return node.queue === this.#alive;
  }

  /** Counts the nodes of `alive` that are not HEALTHY any more, up to `most`. */
  countOverdue(now: number, most?: number): number {
    return this.#countOldest(node => this.health(node, now) !== 'HEALTHY', most);
  }

  /** Counts the nodes of `alive` that were not heard since `time`, a listening time in milliseconds, up to `most`. */
  countNotHeardSince(time: number, most?: number): number {
    return this.#countOldest(({ lastSeen = 0 }) => lastSeen < time, most);
  }

  #countOldest(belongs: (node: Liveness) => boolean, most = Number.POSITIVE_INFINITY): number {
    let count = 0;
    for (let node = this.#alive.oldest; node && count < most && belongs(node); node = node.newer) count++;
    return count;
  }

  /** Yields the nodes whose health became worse since the last call, oldest first. Each change is yielded once. */
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
