// Decides which nodes are alive. A heartbeat and an expiry cost the same time however many nodes there are.
import type { Health } from '../../protocol/node-state.ts';
import { ByteRows, littleEndian } from '../../system/byte-rows.ts';
import { noRow, RowQueue } from '../../system/row-queue.ts';
import { announcedHealthy, bytesPerRow, KeptLiveness, type Liveness, place, silenceAt } from './liveness.ts';
import { type SessionInBytes, SessionRows } from './session-rows.ts';

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

/** A heartbeat whose id and session stand in bytes. */
export interface HeardInBytes extends SessionInBytes {
  readonly sequence: number;
}

/**
 * The table of the signs of life of all nodes on the roll. It reads no clock and announces nothing: its caller does both.
 */
export class LivenessTable {
  readonly #nodes = new Map<string, KeptLiveness>();
  readonly #rows = new ByteRows(bytesPerRow);
  /** The node of each row. */
  readonly #nodeOf: (KeptLiveness | undefined)[] = [];
  readonly #sessions = new SessionRows(this.#rows, place.session);
  // Both queues are ordered by the last sign of life. A node moves from `alive` to `silent` when it becomes UNHEALTHY, and
  // leaves `silent` when it becomes UNKNOWN.
  readonly #alive = new RowQueue(this.#rows, place, 1);
  readonly #silent = new RowQueue(this.#rows, place, 2);
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
    this.#nodeOf[node.row] = node;
    return node;
  }

  /**
   * Notes the session under which heartbeats of a node count without a look at its record; undefined for a node without a session,
   * and null for one whose record has to be looked at.
   */
  setSession(id: string, session: string | undefined | null): void {
    const node = this.#nodes.get(id);
    if (!node || (session !== null && this.#isSession(node, session))) return;
    this.#sessions.remove(node.row, id);
    const isInRows = session !== null && this.#sessions.add(node.row, id, session);
    node.session = isInRows ? null : session;
  }

  /** Whether a heartbeat of this session counts without a look at the record of its node. */
  hasSession(id: string, session: string | undefined): boolean {
    const node = this.#nodes.get(id);
    return node !== undefined && this.#isSession(node, session);
  }

  #isSession(node: KeptLiveness, session: string | undefined): boolean {
    return node.session === session || this.#sessions.has(node.row, node.id, session);
  }

  /** Removes a node with all its data. */
  delete(id: string): void {
    const node = this.#nodes.get(id);
    if (!node) return;
    this.#unqueue(node.row);
    this.#sessions.remove(node.row, id);
    this.#nodes.delete(id);
    this.#nodeOf[node.row] = undefined;
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

  /** Notes a sign of life of a node of this table; see `markAlive`. Nothing changes for a node that was removed. */
  note(node: Liveness, now: number, at: number): void {
    if (node.row === noRow) return;
    if (this.health(node, now) !== 'HEALTHY') node.healthySince = at;
    this.#unqueue(node.row);
    node.lastSeen = now;
    node.lastSeenAt = at;
    node.silentSince = undefined;
    node.left = false;
    this.#alive.append(node.row);
  }

  /**
   * Notes a heartbeat as `note` does, of a node that was HEALTHY, is so and was announced so; `session` is that of the node. Such a
   * heartbeat changes only the node's row, and the links to it in the queue. Returns false, and changes nothing, for any other.
   */
  noteUsual(id: string, session: string | undefined, sequence: number, now: number, at: number): boolean {
    return this.#noteUsual(this.#sessions.find(id, session), sequence, now, at);
  }

  /** Notes a heartbeat as `noteUsual` does, by the bytes of its id and its session. */
  noteHeard(heard: HeardInBytes, now: number, at: number): boolean {
    return this.#noteUsual(this.#sessions.findIn(heard), heard.sequence, now, at);
  }

  #noteUsual(row: number, sequence: number, now: number, at: number): boolean {
    if (!this.#alive.has(row)) return false;
    const { view, at: start } = this.#rows.at(row);
    if (view.getUint8(start + place.announced) !== announcedHealthy) return false;
    const silenceMs = now - view.getFloat64(start + place.lastSeen, littleEndian);
    if (healthOf(silenceMs, this.#limits) !== 'HEALTHY') return false;
    view.setFloat64(start + place.lastSeen, now, littleEndian);
    view.setFloat64(start + place.lastSeenAt, at, littleEndian);
    view.setFloat64(start + place.sequence, sequence, littleEndian);
    this.#alive.renew(row);
    return true;
  }

  /** Notes that the node said it stops. It is UNKNOWN at once. */
  markLeft(node: Liveness): void {
    this.#unqueue(node.row);
    node.lastSeen = undefined;
    node.left = true;
  }

  health(node: Liveness | undefined, now: number): Health {
    return healthOf(node && silenceAt(node, now), this.#limits);
  }

  /** Number of the nodes that were HEALTHY when `expired` was called last, or were heard since. */
  get alive(): number {
    return this.#alive.size;
  }

  /** Whether a node is among those of `alive`. */
  isAlive(node: Liveness): boolean {
    return this.#alive.has(node.row);
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
    for (let row = this.#alive.oldest; row !== noRow && count < most; row = this.#alive.newer(row)) {
      const node = this.#nodeOf[row];
      if (!node || !belongs(node)) break;
      count++;
    }
    return count;
  }

  /** Yields the nodes whose health became worse since the last call, oldest first. Each change is yielded once. */
  *expired(now: number): Generator<{ node: Liveness; health: Health }> {
    for (let node = this.#oldest(this.#silent); node; node = this.#oldest(this.#silent)) {
      if (this.health(node, now) !== 'UNKNOWN') break;
      this.#silent.remove(node.row);
      yield { node, health: 'UNKNOWN' };
    }
    for (let node = this.#oldest(this.#alive); node; node = this.#oldest(this.#alive)) {
      const health = this.health(node, now);
      if (health === 'HEALTHY') break;
      this.#alive.remove(node.row);
      if (health === 'UNHEALTHY') this.#silent.append(node.row);
      yield { node, health };
    }
  }

  #oldest(queue: RowQueue): KeptLiveness | undefined {
    return this.#nodeOf[queue.oldest];
  }

  #unqueue(row: number): void {
    this.#alive.remove(row);
    this.#silent.remove(row);
  }

  values(): IterableIterator<Liveness> {
    return this.#nodes.values();
  }
}
