// The conflict detector notices two agents that use one node id: an older session still sends while the newer one is alive,
// or two agents speak in turn.
import type { ConflictingAgent, Evidence } from '../../protocol/events.ts';
import type { Health, Membership, NodeState } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Counters } from '../status/counters.ts';
import { AgentTraces } from './agent-traces.ts';

/** Least time between two announced conflicts of the same node, in milliseconds. */
const announceIntervalMs = 60_000;
/** Number of sessions of an agent that are remembered, whose messages may still arrive. */
const maxSessions = 8;
/** Time for which a conflict is shown, in milliseconds. */
const shownMs = 3_600_000;

export interface ConflictDetectorOptions {
  clock: Clock;
  log: Log;
  counters: Counters;
  /** Time after a registration in which messages of the earlier session may still arrive, in milliseconds. */
  settlingMs: number;
  health: { health(id: string): Health };
  announcer: { announceConflict(id: string, membership: Membership | '', evidence: Evidence): void };
}

/** What a message says about the agent that sent it. Most messages leave something out. */
export interface MessageSender extends ConflictingAgent {
  session?: string | undefined;
}

/** The last conflict of a node that was announced. */
export interface Conflict {
  /** The wall time. */
  at: Date;
  agents: ConflictingAgent[];
}

/** The last registration of a node. */
interface Registered {
  /** Its monotonic time in milliseconds. */
  at: number;
  /** Who had registered before, if that was another agent. */
  before: MessageSender | undefined;
  /** The earlier sessions of the agent itself, the latest last. */
  sessions: readonly string[];
}

export class ConflictDetector {
  readonly #options: ConflictDetectorOptions;
  readonly #traces: AgentTraces;
  readonly #registered = new Map<string, Registered>();
  readonly #announced = new Map<string, { at: number; conflict: Conflict }>();

  constructor(options: ConflictDetectorOptions) {
    this.#options = options;
    this.#traces = new AgentTraces(options.clock);
  }

  /** Notes a new record. When the answer to a registration is lost, only the record shows that the node registered. */
  onRecord(id: string, { Muster }: NodeState, before: NodeState | undefined): void {
    const { RegisteredAt, Session } = before?.Muster ?? {};
    if (Muster?.RegisteredAt === RegisteredAt && Muster?.Session === Session) return;
    const at = this.#options.clock.monotonic();
    if (before?.Muster?.Instance !== Muster?.Instance) {
      this.#registered.set(id, { at, before: before && senderOf(before), sessions: [] });
      return;
    }
    const known = this.#registered.get(id);
    const sessions = [...(known?.sessions ?? []), ...(Session ? [Session] : [])].slice(-maxSessions);
    this.#registered.set(id, { at, before: known?.before, sessions });
  }

  /** Forgets a node that is no longer on the roll. */
  onRemoved(id: string): void {
    this.#registered.delete(id);
    this.#announced.delete(id);
    this.#traces.delete(id);
  }

  /** Notes a message that names its agent, under any session. `state` is the node's record. */
  onMessage(state: NodeState, sender: MessageSender): void {
    const agents = this.#traces.add(state, sender);
    if (agents) this.#announce(state, 'two agents send messages in turn', agents);
  }

  /** Notes a message that names another session than the node's record, which is `state`. */
  onOtherSession(state: NodeState, sender: MessageSender): void {
    const { settlingMs, health } = this.#options;
    const id = state.Info.NodeID;
    const registered = this.#registered.get(id);
    if (this.#since(registered?.at) < settlingMs || health.health(id) !== 'HEALTHY') return;
    // A message may have waited for longer in a requester or a server that was suspended.
    const isSame = sender.instance !== undefined && sender.instance === state.Muster?.Instance;
    if (isSame || registered?.sessions.includes(sender.session ?? '')) return;
    const { before } = registered ?? {};
    const known = before && before.session === sender.session ? before : {};
    const rule = 'a message of an older registration came while the newer one is alive';
    this.#announce(state, rule, [senderOf(state), { ...known, ...withoutGaps(sender) }]);
  }

  /** Returns the last conflict of a node, for an hour after it was announced. */
  latest(id: string): Conflict | undefined {
    const announced = this.#announced.get(id);
    return announced && this.#since(announced.at) < shownMs ? announced.conflict : undefined;
  }

  #announce(state: NodeState, rule: string, senders: [MessageSender, MessageSender]): void {
    const { counters, log, announcer, clock } = this.#options;
    const id = state.Info.NodeID;
    counters.conflicts++;
    if (this.#since(this.#announced.get(id)?.at) < announceIntervalMs) return;
    const agents = senders.map(({ host, instance }) => withoutGaps({ host, instance }));
    this.#announced.set(id, { at: clock.monotonic(), conflict: { at: clock.now(), agents } });
    const [one, other] = senders;
    const fields = {
      node: id,
      host: one.host,
      otherHost: other.host,
      instance: one.instance,
      otherInstance: other.instance,
    };
    log.warn(fields, 'two agents seem to use this node id');
    announcer.announceConflict(id, state.Membership, { rule, agents });
  }

  #since(at: number | undefined): number {
    return this.#options.clock.monotonic() - (at ?? Number.NEGATIVE_INFINITY);
  }
}

const senderOf = ({ Info, Muster }: NodeState): MessageSender => ({
  host: Info.Hostname,
  instance: Muster?.Instance,
  session: Muster?.Session,
});

const withoutGaps = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member)) as T;
