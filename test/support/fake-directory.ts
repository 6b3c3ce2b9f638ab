// Makes a directory of nodes without a requester, for tests of the API and of the commands.
import assert from 'node:assert/strict';
import type { Metric } from '../../agent/output/metrics.ts';
import type { LostNode } from '../../agent/protocol/http.ts';
import type { NodeHistory } from '../../agent/protocol/http-history.ts';
import type { OperationView } from '../../agent/protocol/http-operations.ts';
import type { ShownBan } from '../../agent/protocol/http-operators.ts';
import type { LabelChange } from '../../agent/protocol/label.ts';
import type { NodeInfo } from '../../agent/protocol/node-info.ts';
import type { Health, NodeState } from '../../agent/protocol/node-state.ts';
import { operationTime } from '../../agent/protocol/operation.ts';
import type { GoneNode, Tombstone } from '../../agent/protocol/tombstone.ts';
import { clusterBucket } from '../../agent/requester/cluster/cluster-bucket.ts';
import type { Directory } from '../../agent/requester/directory/directory.ts';
import type { EventWish } from '../../agent/requester/directory/follow-events.ts';
import { goneNodes } from '../../agent/requester/directory/gone-nodes.ts';
import { type NodeView, nodeView, type SeenLiveness } from '../../agent/requester/directory/node-view.ts';
import type { SeenNode } from '../../agent/requester/directory/seen-node.ts';
import { type BacalhauDesk, bacalhauDesk } from '../../agent/requester/enrolment/bacalhau-desk.ts';
import {
  type BrokerAddresses,
  type JoinCodeDesk,
  joinCodeDesk,
} from '../../agent/requester/enrolment/join-code-desk.ts';
import { JoinCodes } from '../../agent/requester/enrolment/join-codes.ts';
import type { Conflict } from '../../agent/requester/events/conflict-detector.ts';
import type { Act } from '../../agent/requester/events/requester-events.ts';
import { type ListenerDesk, listenerDesk } from '../../agent/requester/listeners/listener-desk.ts';
import {
  type CordonWish,
  cordonNode,
  drainNode,
  uncordonNode,
} from '../../agent/requester/roll/cordon-rules.ts';
import {
  approveNode,
  type Decision,
  type DecisionRule,
  deleteNode,
  notFound,
  notLost,
  rejectNode,
  rekeyNode,
} from '../../agent/requester/roll/decisions.ts';
import { labelNode } from '../../agent/requester/roll/label-rules.ts';
import { beginRename } from '../../agent/requester/roll/rename-rules.ts';
import type { ResourceInfo } from '../../agent/requester/roll/resource-store.ts';
import { onlyAsShown } from '../../agent/requester/roll/shown-rule.ts';
import { absentRecord, type StoredRecord } from '../../agent/requester/roll/stored-record.ts';
import { forgetNode, tombstoneFor, undeleteNode } from '../../agent/requester/roll/tombstones.ts';
import { newCounters } from '../../agent/requester/status/counters.ts';
import type { RequesterStatus } from '../../agent/requester/status/requester-status.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { silentLog } from '../../agent/system/log.ts';
import { wholeIdHint } from '../../agent/system/whole-id-hint.ts';
import { FakeAuthorities } from './fake-authorities.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeBroker } from './fake-connection.ts';
import { FakeListeners } from './fake-listeners.ts';
import { FakeOperators } from './fake-operators.ts';

/** A node's record, and what a requester has in memory about the node. */
export interface FakeNode {
  state: NodeState;
  health?: Health;
  /** Time since the last heartbeat, in milliseconds. */
  silence?: number;
  liveness?: SeenLiveness;
  resources?: ResourceInfo;
  conflict?: Conflict;
}

interface Follower {
  node: string | undefined;
  fn: (event: Uint8Array, cursor: string) => void | Promise<void>;
}

export class FakeDirectory implements Directory {
  readonly self: NodeInfo;
  readonly nodes = new Map<string, FakeNode>();
  /** What was known of the nodes that are gone. */
  readonly gone = new Map<string, Tombstone>();
  /** Stored events, the oldest first. Their texts may be anything, because anyone may publish to the stream. */
  readonly events: { node: string; time: Date; text: string }[] = [];
  readonly followers = new Set<Follower>();
  /** The lost nodes, those that were rebuilt with the operator, and those whose rebuilding fails. */
  readonly lost: LostNode[] = [];
  readonly rebuilt: string[] = [];
  readonly unwritable = new Set<string>();
  /** Whether the store is older than it was, until an operator confirms it. */
  isStoreOlder = false;
  /** The ids of the codes that were used, once for each node. */
  readonly usedCodes: string[] = [];
  /** What was announced of join codes. */
  readonly announcedCodes: Record<string, unknown>[] = [];
  /** The figures, which a test may replace. */
  figures: Metric[] = [];
  readonly joinCodes: JoinCodeDesk;
  readonly listeners: ListenerDesk;
  readonly keptListeners = new FakeListeners();
  /** The addresses in the codes; undefined for a cluster in shared mode. */
  brokerAddresses: BrokerAddresses | undefined = {
    servers: ['tls://head:4222'],
    pins: [Buffer.alloc(32, 7).toString('base64url')],
    localOnly: false,
  };
  readonly bacalhau: BacalhauDesk;
  /** The token of nodes without a key; undefined when none are let in. */
  unverifiedToken: string | undefined;
  /** The keys that are refused for ever. */
  readonly banned: ShownBan[] = [];
  /** Says what became of an operation. */
  explained = (operation: string): OperationView => ({
    ID: operation,
    MadeAt: operationTime(operation).toISOString(),
    At: '2026-01-01T12:00:00.000Z',
    Requester: this.self.NodeID,
    State: 'unknown',
    Decisions: [],
    Changes: [],
    UnderWay: [],
    Refusals: [],
    Doubts: [],
  });
  /** The error that `list` and the other methods throw, if it is set. */
  failure: Error | undefined;
  hearsEvents = true;
  degraded: string | undefined;
  tokenFile: string | undefined;
  readonly fakeAuthorities = new FakeAuthorities();
  readonly #operators = new FakeOperators();
  readonly #now: string;

  constructor(self: NodeInfo, nodes: readonly FakeNode[] = [], now = '2026-01-01T12:00:00.000Z') {
    this.self = self;
    this.#now = now;
    for (const node of nodes) this.nodes.set(node.state.Info.NodeID, node);
    const clock = new FakeClock(new Date(now));
    const codes = fakeJoinCodes(clock, this);
    this.listeners = listenerDesk({
      listeners: () => {
        this.#throwFailure();
        return this.keptListeners;
      },
      addresses: () => this.brokerAddresses,
    });
    this.joinCodes = joinCodeDesk({
      parts: () => {
        this.#throwFailure();
        return { joinCodes: codes, clusterId: 'c-1' };
      },
      addresses: () => this.brokerAddresses,
    });
    const addresses = () => this.brokerAddresses;
    const token = () => this.unverifiedToken;
    this.bacalhau = {
      access: act => bacalhauDesk({ log: silentLog, token: token(), addresses }).access(act),
    };
  }

  get operators(): FakeOperators {
    this.#throwFailure();
    return this.#operators;
  }

  metrics(): Metric[] {
    return this.figures;
  }

  status(): RequesterStatus {
    return {
      role: 'requester',
      node: this.self.NodeID,
      version: '0.1.0',
      pid: 4711,
      state: this.failure ? 'starting' : this.degraded ? 'degraded' : 'ready',
      reason: this.failure?.message ?? this.degraded,
      broker: 'connected to nats://127.0.0.1:4222',
      trust: 'keys',
      clusterId: 'c-1',
      nodes: { total: this.nodes.size, pending: 0, unreadable: 0, lost: this.lost.length },
      eventsWaiting: 0,
      counters: newCounters(),
    };
  }

  *seen(): Generator<SeenNode> {
    this.#throwFailure();
    for (const [id, { state, health = 'UNKNOWN', silence, liveness, resources, conflict }] of this.nodes)
      yield {
        id,
        state,
        health,
        silenceMs: silence,
        liveness,
        reportedAt: resources?.at.getTime(),
        resources,
        conflict,
        pinnedKey: state.Muster?.PublicKey,
        watches: false,
        executions: undefined,
      };
  }

  list(): NodeView[] {
    this.#throwFailure();
    return [...this.nodes.keys()].sort().map(id => this.get(id));
  }

  get(name: string): NodeView {
    const { state, health = 'UNKNOWN', silence, liveness, resources, conflict } = this.#find(name);
    return nodeView(state, health, silence, liveness, resources, conflict, state.Muster?.PublicKey);
  }

  history(name: string): NodeHistory {
    const { state } = this.#find(name);
    const none = { CPU: [null], Memory: [null], Disk: [null] };
    return {
      NodeID: state.Info.NodeID,
      Since: this.#now,
      TimesMs: [Date.parse(this.#now)],
      Used: none,
      Available: none,
      GPUs: [],
    };
  }

  async approve(name: string, decision: Decision): Promise<void> {
    this.#decide(name, decision, approveNode);
  }

  async reject(name: string, decision: Decision): Promise<void> {
    this.#decide(name, decision, rejectNode);
  }

  async delete(name: string, decision: Decision): Promise<void> {
    this.#decide(name, decision, deleteNode);
  }

  async rekey(name: string, decision: Decision): Promise<void> {
    this.#decide(name, decision, rekeyNode(`N-${decision.fingerprint}`));
  }

  async cordon(name: string, decision: Decision & CordonWish): Promise<void> {
    this.#decide(name, decision, cordonNode(decision));
  }

  async drain(name: string, decision: Decision & CordonWish): Promise<void> {
    this.#decide(name, decision, drainNode(decision));
  }

  async label(name: string, decision: Decision & { labels: LabelChange }): Promise<void> {
    this.#decide(name, decision, labelNode(decision.labels));
  }

  async rename(name: string, decision: Decision & { newId: string }): Promise<void> {
    const { newId } = decision;
    const { state } = this.#find(name);
    const taken = this.nodes.get(newId);
    const stored: StoredRecord = taken ? { kind: 'record', revision: 1, state: taken.state } : absentRecord;
    const former: StoredRecord = { kind: 'record', revision: 1, state };
    const wish = { decision, at: this.#now, lastSeenAt: undefined };
    const { write } = beginRename(stored, newId, former, name, wish);
    assert.ok(typeof write === 'object');
    const { Arrival: _arrival, ...Muster } = write.Muster ?? {};
    this.nodes.delete(name);
    this.nodes.set(newId, { state: { ...write, Muster } });
  }

  async uncordon(name: string, decision: Decision): Promise<void> {
    this.#decide(name, decision, uncordonNode);
  }

  async forget(name: string, decision: Decision & { silentForMs: number }): Promise<void> {
    const silence = (id: string) => this.nodes.get(id)?.silence;
    const isHealthy = (id: string) => this.nodes.get(id)?.health === 'HEALTHY';
    this.#decide(name, decision, forgetNode(decision.silentForMs, silence, isHealthy));
  }

  async undelete(name: string, decision: Decision): Promise<void> {
    this.#throwFailure();
    const stored = this.nodes.get(name);
    const tombstone = this.gone.get(name);
    const from: StoredRecord = stored
      ? { kind: 'record', revision: 1, state: stored.state }
      : tombstone
        ? { kind: 'deleted', revision: 1, tombstone }
        : absentRecord;
    const { write } = undeleteNode(() => undefined)(from, name, decision, this.#now);
    assert.ok(typeof write === 'object');
    this.gone.delete(name);
    this.nodes.set(name, { state: write });
  }

  goneNodes(sinceMs?: number): GoneNode[] {
    this.#throwFailure();
    const entries = [...this.gone].map(([id, tombstone]): [string, StoredRecord] => [
      id,
      { kind: 'deleted', revision: 1, tombstone },
    ]);
    return goneNodes(entries, new Date(this.#now), sinceMs);
  }

  async explain(operation: string): Promise<OperationView> {
    this.#throwFailure();
    return this.explained(operation);
  }

  bans(): ShownBan[] {
    this.#throwFailure();
    return this.banned;
  }

  async unban(fingerprint: string): Promise<void> {
    this.#throwFailure();
    const at = this.banned.findIndex(({ Fingerprint }) => Fingerprint === fingerprint);
    if (at < 0) throw new MusterError('not_found', `no key ${fingerprint} is banned`);
    this.banned.splice(at, 1);
  }

  lostNodes(): LostNode[] {
    this.#throwFailure();
    return this.lost;
  }

  get authorities(): Directory['authorities'] {
    this.#throwFailure();
    return this.fakeAuthorities.calls;
  }

  async confirmStore(): Promise<void> {
    this.#throwFailure();
    if (!this.isStoreOlder) throw new MusterError('conflict', 'there is nothing to confirm');
    this.isStoreOlder = false;
  }

  async rebuild(id: string, { actor, claimedActor = '' }: Act): Promise<void> {
    this.#throwFailure();
    const at = this.lost.findIndex(({ NodeID }) => NodeID === id);
    if (at < 0) throw notLost(id);
    if (this.unwritable.has(id)) throw new MusterError('failed', `${id} cannot be written`);
    this.lost.splice(at, 1);
    this.rebuilt.push(`${id} ${actor} ${claimedActor}`.trimEnd());
  }

  async follow(
    { node, since, after }: EventWish,
    fn: Follower['fn'],
  ): Promise<{ ready: Promise<void>; stop(): void }> {
    this.#throwFailure();
    const isKnown =
      node === undefined || this.nodes.has(node) || this.events.some(each => each.node === node);
    if (!isKnown) throw notFound(node);
    const follower = { node, fn };
    if (after && after.life !== 'fake')
      throw new MusterError('gone', 'the event stream of this cursor is not kept any more');
    const numbered = this.events.map((event, index) => ({ ...event, sequence: index + 1 }));
    const past = numbered.filter(
      event => (!since || event.time >= since) && event.sequence > (after?.sequence ?? 0),
    );
    this.followers.add(follower);
    const replay = async () => {
      for (const event of past)
        if (this.followers.has(follower))
          await send(follower, event.node, event.text, `fake-${event.sequence}`);
    };
    return { ready: replay(), stop: () => this.followers.delete(follower) };
  }

  /** Sends a new event to the followers. To be stored too, it is among `events` already. */
  emit(node: string, text: string): void {
    const cursor = `fake-${this.events.length}`;
    for (const follower of this.followers) void send(follower, node, text, cursor);
  }

  #decide(name: string, decision: Decision, rule: DecisionRule): void {
    const node = decision.isExact ? (this.nodes.get(name) ?? this.#throwNotExact(name)) : this.#find(name);
    const stored: StoredRecord = { kind: 'record', revision: 1, state: node.state };
    const hearing = {
      silenceOf: (id: string) => this.nodes.get(id)?.silence,
      healthOf: (id: string) => this.nodes.get(id)?.health ?? 'UNKNOWN',
    };
    const { write, change } = onlyAsShown(rule, hearing)(stored, name, decision, this.#now);
    if (write === undefined) return;
    if (typeof write === 'object') {
      node.state = write;
      return;
    }
    const id = node.state.Info.NodeID;
    const known = { publicKey: node.state.Muster?.PublicKey, lastSeenAt: node.liveness?.lastSeenAt };
    const tombstone = tombstoneFor(stored, change, write === 'forgotten', known);
    if (tombstone) this.gone.set(id, tombstone);
    this.nodes.delete(id);
  }

  #throwNotExact(name: string): never {
    this.#throwFailure();
    throw notFound(name, wholeIdHint([...this.nodes.keys()].filter(id => id.startsWith(name)).sort()));
  }

  #find(name: string): FakeNode {
    this.#throwFailure();
    const exact = this.nodes.get(name);
    if (exact) return exact;
    const matches = [...this.nodes.keys()].filter(id => id.startsWith(name)).sort();
    const only = matches.length === 1 ? this.nodes.get(matches[0] ?? '') : undefined;
    if (only) return only;
    if (matches.length === 0) throw notFound(name);
    throw new MusterError(
      'ambiguous',
      `multiple nodes found for prefix: ${name}, matching IDs: [${matches.join(' ')}]`,
      { hint: 'Use a more specific node ID prefix' },
    );
  }

  #throwFailure(): void {
    if (this.failure) throw this.failure;
  }
}

function fakeJoinCodes(clock: FakeClock, { usedCodes, announcedCodes }: FakeDirectory): JoinCodes {
  const bucket = new FakeBroker(clock)
    .connect()
    .storage()
    .then(storage => storage.bucket(clusterBucket));
  return new JoinCodes({
    bucket: {
      put: async (...args) => (await bucket).put(...args),
      get: async (...args) => (await bucket).get(...args),
      purge: async (...args) => (await bucket).purge(...args),
      remove: async (...args) => (await bucket).remove(...args),
    },
    clock,
    log: silentLog,
    usesOf: id => usedCodes.filter(each => each === id).length,
    events: { announce: (kind, data) => announcedCodes.push({ kind, ...data }) },
  });
}

/** Sends an event of node `from` to a follower of all nodes or of this one. */
async function send({ node, fn }: Follower, from: string, text: string, cursor: string): Promise<void> {
  if (node === undefined || node === from) await fn(new TextEncoder().encode(text), cursor);
}
