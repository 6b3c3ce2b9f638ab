// Announces and logs the changes of the nodes' health, but not too often for one node, and not too many at once.
import type { Evidence, HealthKind } from '../../protocol/events.ts';
import type { Health } from '../../protocol/node-state.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { TokenBuckets, takeToken } from '../../system/token-buckets.ts';
import type { Liveness } from './liveness.ts';

/** Five changes of each node's health are announced at once, and then one every 10 s. */
export const announcementLimits = { burst: 5, refillMs: 10_000 };

/**
 * So many changes of all nodes are announced at once, and then 5 000 a second. The first verdicts of a new requester may be about a
 * hundred thousand nodes. Announced in one turn, they would delay the answers to nodes for seconds.
 */
export const announcementPace = { burst: 1_000, refillMs: 0.2 };
/** Time between two turns in which changes are announced that had to wait for others, in milliseconds. */
const turnMs = 20;

/** Announces to other systems what the watch finds. */
export interface HealthAnnouncer {
  announceHealth(change: HealthChange): void;
  /** Returns the health of a node that was announced last; UNKNOWN when none was since it registered. */
  announcedHealth(node: string): Health;
  /**
   * Announces that the requester cannot tell whether silent nodes are alive, with the reason; undefined when it can
   * again.
   */
  announceDegraded(reason: string | undefined): void;
}

export interface HealthChange {
  node: string;
  kind: HealthKind;
  previous: Health;
  current: Health;
  evidence: Evidence;
}

export interface HealthAnnouncementsOptions {
  clock: Clock;
  log: Log;
  announcer: Pick<HealthAnnouncer, 'announceHealth'>;
  /** Returns the time since the node's last sign of life, in milliseconds; undefined when there is none. */
  silenceMs(id: string): number | undefined;
  /** Called when changes that had to wait for others may be announced: by `announceWaiting`. */
  onTurn(): void;
}

export class HealthAnnouncements {
  readonly #options: HealthAnnouncementsOptions;
  readonly #limits: TokenBuckets;
  /** The nodes whose health changed too often, or beside too many others, each with the rule of its last change. */
  readonly #waiting = new Map<string, string>();
  /** The token bucket of the changes of all nodes. */
  #paceFullAt: number | undefined;
  #turn: Timer | undefined;

  constructor(options: HealthAnnouncementsOptions) {
    this.#options = options;
    this.#limits = new TokenBuckets(announcementLimits, () => options.clock.monotonic());
  }

  /** Announces the health of a node, or remembers that it has to be announced later. `rule` says why it changed. */
  announce(node: Liveness, current: Health, rule: string): void {
    if (this.#limits.untilTokenMs(node.id) > 0 || !this.#takeTurn()) {
      this.#waiting.set(node.id, rule);
      return;
    }
    this.#limits.take(node.id);
    const previous = node.announced;
    node.announced = current;
    const kind = kindOf(node, current);
    const silence = this.#options.silenceMs(node.id);
    const evidence: Evidence = {
      ...(node.lastSeenAt ? { lastSeen: new Date(node.lastSeenAt).toISOString() } : {}),
      ...(silence === undefined || current === 'HEALTHY' ? {} : { silence: Math.round(silence) }),
      rule,
    };
    this.#options.log.info({ node: node.id, previous, current, ...evidence }, `node is ${kind}`);
    this.#options.announcer.announceHealth({ node: node.id, kind, previous, current, evidence });
  }

  /**
   * Announces the nodes whose changes had to wait, if their health still differs from what was announced last. `find`
   * returns a node with its present health; undefined when it is no longer watched.
   */
  announceWaiting(find: (id: string) => { node: Liveness; health: Health } | undefined): void {
    for (const [id, rule] of this.#waiting) {
      if (this.#turn) return;
      if (this.#limits.untilTokenMs(id) > 0) continue;
      this.#waiting.delete(id);
      const { node, health } = find(id) ?? {};
      if (node && health && node.announced !== health) this.announce(node, health, rule);
    }
  }

  /** Forgets a node that is no longer watched. */
  forget(id: string): void {
    this.#waiting.delete(id);
  }

  stop(): void {
    this.#turn?.cancel();
    this.#turn = undefined;
  }

  // Returns whether one more change may be announced now. Otherwise the next turn is planned.
  #takeTurn(): boolean {
    const { clock, onTurn } = this.#options;
    if (this.#turn) return false;
    const fullAt = takeToken(this.#paceFullAt, clock.monotonic(), announcementPace);
    if (fullAt !== undefined) {
      this.#paceFullAt = fullAt;
      return true;
    }
    this.#turn = clock.after(turnMs, () => {
      this.#turn = undefined;
      onTurn();
    });
    return false;
  }
}

function kindOf(node: Liveness, health: Health): HealthKind {
  if (health === 'HEALTHY') return 'healthy';
  if (health === 'UNHEALTHY') return 'unhealthy';
  return node.left ? 'left' : 'unknown';
}
