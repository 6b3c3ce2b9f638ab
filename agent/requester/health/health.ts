// Who is alive: last-seen times in order, one entry a node, O(1) for each heartbeat and each expiry (design 4).
import type { Health } from '../../protocol/node-state.ts';

export interface HealthLimits {
  /** Milliseconds of silence after which a node is UNHEALTHY. */
  disconnectedAfter: number;
  /** Milliseconds of silence after which it is UNKNOWN. */
  unknownAfter: number;
}

/** The rule itself: `silence` in milliseconds, undefined when the node was never heard or has left. */
export function healthOf(silence: number | undefined, limits: HealthLimits): Health {
  if (silence === undefined || silence >= limits.unknownAfter) return 'UNKNOWN';
  return silence >= limits.disconnectedAfter ? 'UNHEALTHY' : 'HEALTHY';
}

/** What is known of one node's life; memory only. Times are the requester's listening time, in milliseconds. */
export interface Pulse {
  readonly id: string;
  /** When it was heard last; undefined: never since this requester started, or it said that it leaves. */
  lastSeen: number | undefined;
  /** The same on the wall clock, for people: milliseconds since 1970, as these two. */
  lastSeenAt: number | undefined;
  /** When it last became HEALTHY, and when it last ceased to be. */
  healthySince: number | undefined;
  silentSince: number | undefined;
  left: boolean;
  /** The health that was told last. */
  told: Health;
  /** The number in its latest heartbeat. */
  sequence: number;
  queue: Queue | undefined;
  older: Pulse | undefined;
  newer: Pulse | undefined;
}

/** The pulses of all nodes on the roll. Knows no clock and tells nobody: its caller does. */
export class Pulses {
  readonly #pulses = new Map<string, Pulse>();
  // Each ordered by last-seen. A node moves from `heard` to `silent` when told UNHEALTHY, and out when told UNKNOWN.
  readonly #heard = new Queue();
  readonly #silent = new Queue();
  readonly #limits: HealthLimits;

  constructor(limits: HealthLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#pulses.size;
  }

  get(id: string): Pulse | undefined {
    return this.#pulses.get(id);
  }

  /** Puts a node under watch; it keeps what is known of it when it is there already. `told`: what was told last. */
  add(id: string, told: Health = 'UNKNOWN'): Pulse {
    const known = this.#pulses.get(id);
    if (known) return known;
    const pulse: Pulse = {
      id,
      lastSeen: undefined,
      lastSeenAt: undefined,
      healthySince: undefined,
      silentSince: undefined,
      left: false,
      told,
      sequence: 0,
      queue: undefined,
      older: undefined,
      newer: undefined,
    };
    this.#pulses.set(id, pulse);
    return pulse;
  }

  /** Forgets a node: nothing of it stays. */
  delete(id: string): void {
    const pulse = this.#pulses.get(id);
    pulse?.queue?.remove(pulse);
    this.#pulses.delete(id);
  }

  /** A sign of life, now. */
  heard(pulse: Pulse, now: number, at: number): void {
    pulse.queue?.remove(pulse);
    pulse.lastSeen = now;
    pulse.lastSeenAt = at;
    pulse.silentSince = undefined;
    pulse.left = false;
    this.#heard.append(pulse);
  }

  /** The node said that it stops: UNKNOWN at once. */
  left(pulse: Pulse): void {
    pulse.queue?.remove(pulse);
    pulse.lastSeen = undefined;
    pulse.left = true;
  }

  health(pulse: Pulse | undefined, now: number): Health {
    return healthOf(pulse?.lastSeen === undefined ? undefined : now - pulse.lastSeen, this.#limits);
  }

  /** The nodes whose health fell since the last call, oldest first: they are moved on, so each is met once per fall. */
  *expired(now: number): Generator<{ pulse: Pulse; health: Health }> {
    for (let pulse = this.#silent.oldest; pulse; pulse = this.#silent.oldest) {
      if (this.health(pulse, now) !== 'UNKNOWN') break;
      this.#silent.remove(pulse);
      yield { pulse, health: 'UNKNOWN' };
    }
    for (let pulse = this.#heard.oldest; pulse; pulse = this.#heard.oldest) {
      const health = this.health(pulse, now);
      if (health === 'HEALTHY') break;
      this.#heard.remove(pulse);
      if (health === 'UNHEALTHY') this.#silent.append(pulse);
      yield { pulse, health };
    }
  }

  values(): IterableIterator<Pulse> {
    return this.#pulses.values();
  }
}

/** A doubly linked list through the pulses themselves: removal from the middle costs what removal from an end does. */
class Queue {
  oldest: Pulse | undefined;
  #newest: Pulse | undefined;

  append(pulse: Pulse): void {
    pulse.queue = this;
    pulse.older = this.#newest;
    pulse.newer = undefined;
    if (this.#newest) this.#newest.newer = pulse;
    else this.oldest = pulse;
    this.#newest = pulse;
  }

  remove(pulse: Pulse): void {
    if (pulse.older) pulse.older.newer = pulse.newer;
    else this.oldest = pulse.newer;
    if (pulse.newer) pulse.newer.older = pulse.older;
    else this.#newest = pulse.older;
    pulse.queue = undefined;
    pulse.older = undefined;
    pulse.newer = undefined;
  }
}
