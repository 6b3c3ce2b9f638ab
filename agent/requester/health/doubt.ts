// Doubt is whether the silence of nodes may be somebody else's fault. While it may be, no node is called UNHEALTHY: verdicts wait.
// That ends after a time that is known before, so whoever makes servers or nodes come and go delays a verdict by that time, and
// never prevents it.
import type { HealthLimits, LivenessTable } from './health.ts';
import type { ServerLookout } from './server-lookout.ts';

/** So many nodes, and more than this share of those alive, that fall silent at one check are called many. */
const many = { nodes: 20, share: 0.05 };

/** Number of nodes that connect again in a second when they have to go to another server. It is a cautious figure. */
const reconnectsPerSecond = 500;

/**
 * Returns how long verdicts wait at most, in milliseconds: `disconnectedAfterMs`, or the time in which a third of the nodes
 * connects again, when that is longer.
 */
export const longestWaitMs = (nodes: number, disconnectedAfterMs: number): number =>
  Math.max(disconnectedAfterMs, Math.ceil((1_000 * nodes) / 3 / reconnectsPerSecond));

/** A time in which verdicts wait. All times are listening times in milliseconds: without a broker it does not go on. */
export interface VerdictHold {
  /** A sentence without a full stop. */
  readonly reason: string;
  readonly since: number;
  readonly until: number;
  /** Whether it began because many nodes fell silent, and not because a server vanished. */
  readonly isForMany: boolean;
}

/** Verdicts that wait: on how many nodes, until when, and why. */
export interface WaitingVerdicts {
  nodes: number;
  until: Date;
  reason: string;
}

export interface DoubtOptions {
  nodes: Pick<LivenessTable, 'alive' | 'countOverdue' | 'countNotHeardSince'>;
  limits: HealthLimits;
  lookout: Pick<ServerLookout, 'look'>;
  /** Called when a hold begins or ends. `waitedMs` tells that it has ended. */
  onHold(hold: VerdictHold, waitedMs?: number): void;
}

export class Doubt {
  readonly #options: DoubtOptions;
  #hold: VerdictHold | undefined;

  constructor(options: DoubtOptions) {
    this.#options = options;
  }

  get hold(): VerdictHold | undefined {
    return this.#hold;
  }

  /**
   * Whether verdicts wait at the listening time `now`, or would from the next check on. Nodes that were HEALTHY at the last
   * check then still are.
   */
  isHolding(now: number): boolean {
    return this.#hold ? now < this.#hold.until : this.#areMany(now);
  }

  /** Number of nodes whose verdict waits for the end of the hold. */
  waiting(now: number): number {
    const { nodes } = this.#options;
    if (!this.#hold) return 0;
    return this.#hold.isForMany ? nodes.countOverdue(now) : nodes.countNotHeardSince(this.#hold.since);
  }

  /** Lets verdicts wait when a server has vanished since the last call. */
  lookForServers(now: number): void {
    const reason = this.#options.lookout.look();
    if (reason !== undefined) this.begin(reason, now);
  }

  /** Lets verdicts wait, unless they do, or no node is alive. */
  begin(reason: string, now: number, isForMany = false): void {
    const { nodes, limits, onHold } = this.#options;
    if (this.#hold || nodes.alive === 0) return;
    const until = now + longestWaitMs(nodes.alive, limits.disconnectedAfterMs);
    this.#hold = { reason, since: now, until, isForMany };
    onHold(this.#hold);
  }

  /**
   * Returns whether verdicts may be given now. Begins a hold when many nodes are silent, and ends one that is over. After each
   * hold verdicts are given once before the next one begins: so each waits for one hold at most.
   */
  mayJudge(now: number): boolean {
    if (!this.#hold) {
      if (!this.#areMany(now)) return true;
      const { nodes } = this.#options;
      this.begin(`${nodes.countOverdue(now)} of ${nodes.alive} nodes fell silent together`, now, true);
      return false;
    }
    if (now < this.#hold.until && !this.#isSettled(this.#hold, now)) return false;
    const ended = this.#hold;
    this.#hold = undefined;
    this.#options.onHold(ended, now - ended.since);
    return true;
  }

  // Those that fell silent are back, but for a few; or all nodes were heard after the server had vanished.
  #isSettled({ isForMany, since }: VerdictHold, now: number): boolean {
    return isForMany ? !this.#areMany(now) : this.#options.nodes.countNotHeardSince(since, 1) === 0;
  }

  #areMany(now: number): boolean {
    const { nodes } = this.#options;
    const needed = Math.max(many.nodes, Math.floor(many.share * nodes.alive) + 1);
    return nodes.countOverdue(now, needed) >= needed;
  }
}

/** Returns a sentence about verdicts that wait, for people. */
export function waitingText({ nodes, until, reason }: WaitingVerdicts): string {
  const which =
    nodes === 1 ? 'the verdict on 1 silent node waits' : `the verdicts on ${nodes} silent nodes wait`;
  return `${nodes === 0 ? 'verdicts on nodes that fall silent wait' : which} until ${until.toISOString().slice(0, 19)}Z: ${reason}`;
}
