// Announces and logs the changes of the nodes' health, but not too often for one node.
import type { Evidence, HealthKind } from '../../protocol/events.ts';
import type { Health } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import type { Liveness } from './health.ts';

/** Five changes of each node's health are announced at once, and then one every 10 s. */
export const announcementLimits = { burst: 5, refillMs: 10_000 };

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
}

export class HealthAnnouncements {
  readonly #options: HealthAnnouncementsOptions;
  readonly #limits: TokenBuckets;
  /** The nodes whose health changed too often to be announced at once, each with the rule of its last change. */
  readonly #waiting = new Map<string, string>();

  constructor(options: HealthAnnouncementsOptions) {
    this.#options = options;
    this.#limits = new TokenBuckets(announcementLimits, () => options.clock.monotonic());
  }

  /** Announces the health of a node, or remembers that it has to be announced later. `rule` says why it changed. */
  announce(node: Liveness, current: Health, rule: string): void {
    if (!this.#limits.take(node.id)) {
      this.#waiting.set(node.id, rule);
      return;
    }
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
}

function kindOf(node: Liveness, health: Health): HealthKind {
  if (health === 'HEALTHY') return 'healthy';
  if (health === 'UNHEALTHY') return 'unhealthy';
  return node.left ? 'left' : 'unknown';
}
