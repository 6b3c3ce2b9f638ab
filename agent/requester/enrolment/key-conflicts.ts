// Notices that a key was refused because it wants the id of another node, or is used by two agents, and shows that at the
// node whose id it wanted.
import type { ConflictingAgent, Evidence } from '../../protocol/events.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { Refusal } from '../../protocol/refusal.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import type { KeyUse, LiveConnection } from './live-connection.ts';
import type { RefusedApplicant, RefusedKey } from './refusals.ts';

/** Least time between two announced conflicts of the same node, in milliseconds. */
const announceIntervalMs = 60_000;
/**
 * Time after the exchange of a key in which the old one may come once more, in milliseconds: an agent that was killed
 * while it exchanged its key learns only in this way that it has another one.
 */
const exchangeMs = 60_000;
/** Time for which a conflict is shown, in milliseconds. */
const shownMs = 3_600_000;
/**
 * Anybody may show an invented key and the id of a node. So not more than this many conflicts of all nodes are announced at
 * once, and then one in each interval.
 */
const announcedLimits = { burst: 100, refillMs: 600 };
/** Number of nodes whose conflicts are kept. */
const maxKept = 10_000;

export interface KeyConflictsOptions {
  clock: Clock;
  log: Log;
  counters: { conflicts: number };
  announcer: {
    announceConflict(id: string, membership: NodeState['Membership'], evidence: Evidence): void;
  };
  /** Returns the key that is pinned to a node, the present connection of a use of it, and the node's record. */
  pinnedKey(id: string): string | undefined;
  liveConnection(key: string, use: KeyUse): LiveConnection | undefined;
  record(id: string): NodeState | undefined;
}

/** The last conflict of a node. */
export interface KeyConflict {
  /** The wall time. */
  at: Date;
  /** The agent that has the id, and the one that was refused. */
  agents: ConflictingAgent[];
}

export class KeyConflicts {
  readonly #options: KeyConflictsOptions;
  readonly #latest = new Map<string, { at: number; announcedAt: number; conflict: KeyConflict }>();
  readonly #announced: TokenBuckets;

  constructor(options: KeyConflictsOptions) {
    this.#options = options;
    this.#announced = new TokenBuckets(announcedLimits, () => options.clock.monotonic());
  }

  /**
   * Notes a refused key. Refusals for other reasons than a conflict are ignored. Another requester announces what it has
   * refused itself.
   */
  onRefused({ refusal, applicant }: Omit<RefusedKey, 'at'>, { isOwn } = { isOwn: true }): void {
    if ((refusal.code !== 'conflict' && refusal.code !== 'clone') || !refusal.record) return;
    const { clock, counters, pinnedKey, record } = this.#options;
    const { replacedAt } = refusal;
    if (replacedAt !== undefined && clock.now().getTime() - Date.parse(replacedAt) < exchangeMs) return;
    const { node } = applicant;
    const id = pinnedKey(node) !== undefined || record(node) ? node : refusal.record.id;
    if (isOwn) counters.conflicts++;
    const before = this.#latest.get(id);
    const now = clock.monotonic();
    const isDue = now - (before?.announcedAt ?? Number.NEGATIVE_INFINITY) >= announceIntervalMs;
    const isAnnounced = isOwn && isDue && this.#announced.take('all');
    const agents = [this.#holder(id, refusal, applicant.use), agentOf(applicant, refusal.fingerprint)];
    const announcedAt =
      isAnnounced || (!isOwn && isDue) ? now : (before?.announcedAt ?? Number.NEGATIVE_INFINITY);
    this.#keep(id, { at: now, announcedAt, conflict: { at: clock.now(), agents } });
    if (isAnnounced) this.#announce(id, refusal, agents);
  }

  /** Returns the last conflict of a node, for an hour. */
  latest(id: string): KeyConflict | undefined {
    const latest = this.#latest.get(id);
    return latest && this.#options.clock.monotonic() - latest.at < shownMs ? latest.conflict : undefined;
  }

  /** Forgets the conflict of a node, because an operator decided it or the node left the roll. */
  delete(id: string): void {
    this.#latest.delete(id);
  }

  #keep(id: string, latest: { at: number; announcedAt: number; conflict: KeyConflict }): void {
    this.#latest.delete(id);
    this.#latest.set(id, latest);
    const [oldest] = this.#latest.size > maxKept ? this.#latest.keys() : [];
    if (oldest !== undefined) this.#latest.delete(oldest);
  }

  /** Returns what is known of the agent that has the id, or of the program that does its work. */
  #holder(id: string, { record: known }: Refusal, use: KeyUse): ConflictingAgent {
    const { pinnedKey, liveConnection, record } = this.#options;
    const key = pinnedKey(id);
    const live = key === undefined ? undefined : (liveConnection(key, use) ?? liveConnection(key, 'agent'));
    return withoutGaps({
      host: live?.hostname ?? record(id)?.Info.Hostname,
      use: shownUse(live?.use),
      instance: live?.instance,
      address: live?.host,
      fingerprint: key === undefined ? known?.fingerprint : fingerprint(key),
    });
  }

  #announce(id: string, { reason }: Refusal, agents: ConflictingAgent[]): void {
    const { announcer, log, record } = this.#options;
    const [holder, refused] = agents;
    const fields = {
      node: id,
      fingerprint: holder?.fingerprint,
      host: holder?.host ?? holder?.address,
      otherFingerprint: refused?.fingerprint,
      otherHost: refused?.host ?? refused?.address,
      otherAddress: refused?.address,
    };
    const what = refused?.use ? 'two programs want the work of this node' : 'two agents want to be this node';
    log.warn(fields, `${what}: ${reason}`);
    announcer.announceConflict(id, record(id)?.Membership ?? '', { rule: reason, agents });
  }
}

const agentOf = ({ host, hostname, instance, use }: RefusedApplicant, ofKey: string): ConflictingAgent =>
  withoutGaps({ host: hostname, instance, address: host, fingerprint: ofKey, use: shownUse(use) });

/** Most conflicts are of agents, so only the other use is named. */
const shownUse = (use: KeyUse | undefined) => (use === 'work' ? use : undefined);

const withoutGaps = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member)) as T;
