// The requester role put together: roll, vigil, events and lease over one connection to the broker.
import type { NodeInfo } from '../protocol/node-info.ts';
import type { Change, NodeState } from '../protocol/node-state.ts';
import { eventWildcard, requesterEventSubject } from '../protocol/subjects.ts';
import { type Clock, sleep } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { type Log, rateLimit } from '../system/log.ts';
import { backoff, type Random } from '../system/random.ts';
import { version } from '../system/version.ts';
import {
  BrokerError,
  type Connection,
  type EventStream,
  type Storage,
  type Subscription,
} from '../transport/port.ts';
import { type Counters, newCounters } from './counters.ts';
import type { Directory, RequesterStatus } from './directory.ts';
import { Events, eventStream } from './events.ts';
import { listenForHeartbeats } from './heartbeats.ts';
import { type History, readHistory, untold } from './history.ts';
import { clusterBucket, clusterId, type Holder, type Lease, takeLease } from './lease.ts';
import type { Decision, Known } from './membership.ts';
import { answerNodeRequests } from './node-requests.ts';
import { type NodeView, nodeView } from './node-view.ts';
import { ResourceStore } from './resource-store.ts';
import { Roll, type RollListener, type RollOptions } from './roll.ts';
import { nodeBucket } from './store.ts';
import { Vigil } from './vigil.ts';

export interface RequesterSettings {
  /** Milliseconds. */
  heartbeatFrequency: number;
  heartbeatTopic: string;
  nodeDisconnectedAfter: number;
  nodeUnknownAfter: number;
  manualApproval: boolean;
  maxPending: number;
}

export interface RequesterOptions {
  self: NodeInfo;
  settings: RequesterSettings;
  connection: Connection;
  clock: Clock;
  random: Random;
  log: Log;
  host: string;
  pid: number;
  /** Another requester took over: this one has stopped answering and the process should end. */
  onLost(error: MusterError): void;
}

/** What exists once the store was read. */
interface Acting {
  clusterId: string;
  roll: Roll;
  vigil: Vigil;
  events: Events;
  stream: EventStream;
  lease: Lease;
}

export class Requester implements Directory {
  readonly self: NodeInfo;
  readonly #options: RequesterOptions;
  readonly #instance: string;
  readonly #resources = new ResourceStore();
  readonly #counters: Counters = newCounters();
  readonly #policy: RollOptions;
  readonly #stopping = new AbortController();
  readonly #subscriptions: Subscription[] = [];
  /** Of each node on the roll: when it registered here, and when a conflict was told, in monotonic milliseconds. */
  readonly #registeredAt = new Map<string, number>();
  readonly #conflictToldAt = new Map<string, number>();
  #acting: Acting | undefined;
  #waitingFor = 'the broker';

  constructor(options: RequesterOptions) {
    this.self = options.self;
    this.#options = options;
    this.#instance = options.random.uuid();
    const { clock, random, log, settings } = options;
    this.#policy = {
      clock,
      random,
      log,
      manualApproval: settings.manualApproval,
      maxPending: settings.maxPending,
    };
  }

  /**
   * Waits for the broker for as long as it takes, reads the store, then answers nodes.
   * @throws MusterError `in_use` when another requester keeps the roll; `bad_state`, `conflict` for a store that is not ours.
   */
  async start(): Promise<void> {
    const { connection, clock, random, log } = this.#options;
    const mayLog = rateLimit(() => clock.monotonic(), 60_000);
    for (let failures = 0; !this.#stopping.signal.aborted; failures++) {
      try {
        await connection.connected(this.#stopping.signal);
        return await this.#open();
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        if (!(error instanceof BrokerError)) throw error;
        this.#waitingFor = `the broker's store: ${error.message}`;
        const extra = mayLog(error.message);
        if (extra) log.warn({ err: error, ...extra }, 'the store cannot be opened yet; trying again');
        await sleep(clock, backoff(random, failures, 200, 5_000), this.#stopping.signal);
      }
    }
  }

  /** Stops answering, sends the events that wait (at most 2 s), gives the lease back. The connection stays the caller's. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const acting = this.#acting;
    if (!acting) return;
    this.#silence(acting);
    const waiting = await acting.events.stop(this.#options.connection.state.kind === 'connected' ? 2_000 : 0);
    if (waiting > 0) {
      this.#options.log.warn(
        { waiting },
        'events wait for the broker; those of the store are sent at the next start',
      );
    }
    await acting.lease.release();
  }

  /** Takes up what may change while nodes are watched; the rest waits for a restart. */
  reload({ manualApproval, maxPending }: Pick<RequesterSettings, 'manualApproval' | 'maxPending'>): void {
    Object.assign(this.#policy, { manualApproval, maxPending });
  }

  status(): RequesterStatus {
    const acting = this.#acting;
    const state = this.#options.connection.state;
    const stopping = this.#stopping.signal.aborted;
    const distrusted = acting?.vigil.distrusted;
    return {
      role: 'requester',
      node: this.self.NodeID,
      version,
      pid: this.#options.pid,
      state: stopping ? 'stopping' : !acting ? 'starting' : distrusted ? 'degraded' : 'ready',
      reason: acting ? distrusted : `waiting for ${this.#waitingFor}`,
      broker: state.kind === 'connected' ? `connected to ${state.server}` : reasonOfState(state),
      clusterId: acting?.clusterId,
      nodes: acting && {
        total: acting.roll.size,
        pending: acting.roll.pending,
        unreadable: acting.roll.unreadable,
      },
      eventsWaiting: acting?.events.waiting,
      counters: { ...this.#counters },
    };
  }

  list(): NodeView[] {
    const acting = this.#ready();
    const views = [...acting.roll.list()].map(state => this.#view(acting, state));
    return views.sort((a, b) => (a.Info.NodeID < b.Info.NodeID ? -1 : 1));
  }

  get(name: string): NodeView {
    const acting = this.#ready();
    const id = acting.roll.resolve(name);
    const state = acting.roll.get(id);
    if (!state) {
      throw new MusterError('bad_state', `the record of node ${id} cannot be read`, {
        hint: `delete it with: muster node delete ${id}`,
      });
    }
    return this.#view(acting, state);
  }

  async decide(name: string, decision: Decision): Promise<void> {
    const node = await this.#stored(this.#ready().roll.decide(name, decision));
    const { action, reason, actor } = decision;
    this.#options.log.info({ node, reason, actor }, `node ${action === 'approve' ? 'approved' : 'rejected'}`);
  }

  async remove(name: string, reason: string, actor: string): Promise<void> {
    const node = await this.#stored(this.#ready().roll.remove(name, reason, actor));
    this.#options.log.info({ node, reason, actor }, 'node deleted');
  }

  async follow(
    { node, since }: { node?: string | undefined; since?: Date | undefined },
    fn: (event: Uint8Array) => void | Promise<void>,
  ): Promise<{ ready: Promise<void>; stop(): void }> {
    const filter = eventWildcard(node);
    return this.#stored(this.#ready().stream.follow({ filter, since }, message => fn(message.data)));
  }

  async #open(): Promise<void> {
    const { connection, clock, random, log, self, host, pid } = this.#options;
    const storage = await connection.storage();
    const cluster = await storage.bucket(clusterBucket);
    const id = await clusterId(cluster, random);
    const me: Holder = {
      requester: self.NodeID,
      instance: this.#instance,
      host,
      pid,
      since: clock.now().toISOString(),
    };
    this.#waitingFor = 'the lease of the acting requester';
    const lease = await takeLease({
      bucket: cluster,
      connection,
      clusterId: id,
      me,
      clock,
      log,
      onLost: holder => this.#lost(holder),
      signal: this.#stopping.signal,
    });
    try {
      await this.#read(storage, id, lease);
    } catch (error) {
      await lease.release();
      throw error;
    }
  }

  async #read(storage: Storage, cluster: string, lease: Lease): Promise<void> {
    const { connection, clock, random, log, settings, self } = this.#options;
    this.#waitingFor = 'the event stream to be read';
    const stream = await storage.stream(eventStream);
    const history = await readHistory(stream);
    const events = new Events({
      clock,
      random,
      log,
      connection,
      clusterId: cluster,
      requesterId: self.NodeID,
      instance: this.#instance,
    });
    const vigil = new Vigil({
      clock,
      log,
      connection,
      instance: this.#instance,
      limits: { disconnectedAfter: settings.nodeDisconnectedAfter, unknownAfter: settings.nodeUnknownAfter },
      checkEvery: settings.heartbeatFrequency,
      announce: (node, kind, previous, current, evidence) => {
        log.info({ node, previous, current, ...evidence }, `node is ${kind}`);
        events.observed(node, kind, {
          node,
          previous: { health: previous },
          current: { health: current },
          evidence,
        });
      },
      doubt: reason => this.#doubt(reason),
    });
    this.#waitingFor = 'the node info store to be read';
    const roll = new Roll(
      await storage.bucket(nodeBucket),
      this.#policy,
      this.#listener(storage, cluster, events, vigil, () => roll),
    );
    try {
      await roll.load(this.#catchUp(history, events, vigil));
      await roll.enrolSelf(self);
      if (this.#stopping.signal.aborted) throw new BrokerError('disconnected', 'stopped while starting');
      events.start(stream);
      this.#acting = { clusterId: cluster, roll, vigil, events, stream, lease };
      this.#listen(this.#acting);
      vigil.start();
      log.info({ node: self.NodeID, cluster, nodes: roll.size }, 'the requester is ready');
    } catch (error) {
      roll.stop();
      throw error;
    }
  }

  // What is due of a record that was there at the start. Apart, so that the history goes when all of them are met.
  #catchUp(
    history: History,
    events: Events,
    vigil: Vigil,
  ): (id: string, known: Known, changes: Change[]) => void {
    const now = this.#options.clock.now();
    return (id, known, changes) => {
      const due = untold(changes, history.revision(id), now);
      for (const change of due) events.changed(id, change);
      const isNew = due.some(({ Kind }) => Kind === 'registered');
      if (known.kind === 'record' && known.state.Info.NodeType === 'Compute') {
        vigil.add(id, isNew ? 'UNKNOWN' : history.health(id));
      }
    };
  }

  #listener(storage: Storage, cluster: string, events: Events, vigil: Vigil, roll: () => Roll): RollListener {
    return {
      present: (id, state) => {
        if (state.Info.NodeType === 'Compute') vigil.add(id);
      },
      gone: id => {
        vigil.delete(id);
        this.#resources.delete(id);
        this.#registeredAt.delete(id);
        this.#conflictToldAt.delete(id);
      },
      changed: (id, change) => events.changed(id, change),
      unannounced: id => events.unannounced(id),
      lost: () => void this.#restore(storage, cluster, roll()),
    };
  }

  // Puts back what the lost store held beside the nodes, for as long as it takes.
  async #restore(storage: Storage, cluster: string, roll: Roll): Promise<void> {
    const { connection, clock, random, log, self } = this.#options;
    const { signal } = this.#stopping;
    const mayLog = rateLimit(() => clock.monotonic(), 60_000);
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await connection.connected(signal);
        await clusterId(await storage.bucket(clusterBucket), random, cluster);
        await storage.stream(eventStream);
        return await roll.enrolSelf(self);
      } catch (error) {
        if (signal.aborted) return;
        const extra = mayLog('restore');
        if (extra)
          log.warn({ err: error, ...extra }, 'the lost store cannot be set up again yet; trying again');
        await sleep(clock, backoff(random, failures, 200, 5_000), signal);
      }
    }
  }

  #listen({ roll, vigil, clusterId }: Acting): void {
    const { connection, clock, log, settings, self } = this.#options;
    const shared = { connection, clock, log, counters: this.#counters };
    this.#subscriptions.push(
      listenForHeartbeats({
        ...shared,
        topic: settings.heartbeatTopic,
        record: id => roll.get(id),
        heard: (id, sequence) => vigil.heard(id, sequence),
        stranger: id => this.#stranger(id),
      }),
      answerNodeRequests({
        ...shared,
        roll,
        resources: this.#resources,
        clusterId,
        requesterId: self.NodeID,
        heartbeatTopic: settings.heartbeatTopic,
        nodeDisconnectedAfter: settings.nodeDisconnectedAfter,
        heard: id => vigil.heard(id),
        left: (id, reason) => vigil.left(id, reason),
        registered: id => this.#registeredAt.set(id, clock.monotonic()),
        stranger: id => this.#stranger(id),
      }),
    );
  }

  // A message of an older registration while the newer one is alive: two agents use one node id. What was on its way
  // when the node registered anew is no sign of that, so the first seconds do not count.
  #stranger(id: string): void {
    const { clock, settings, log } = this.#options;
    const acting = this.#acting;
    const since = (times: Map<string, number>) =>
      clock.monotonic() - (times.get(id) ?? Number.NEGATIVE_INFINITY);
    if (since(this.#registeredAt) < settings.nodeDisconnectedAfter) return;
    if (acting?.vigil.health(id) !== 'HEALTHY') return;
    this.#counters.conflicts++;
    if (since(this.#conflictToldAt) < 60_000) return;
    this.#conflictToldAt.set(id, clock.monotonic());
    const rule = 'a message of an older registration came while the newer one is alive';
    log.warn({ node: id }, 'two agents seem to use this node id');
    const state = acting.roll.get(id);
    const membership = state?.Membership ? { membership: state.Membership } : {};
    acting.events.observed(id, 'conflict', {
      node: id,
      previous: membership,
      current: membership,
      evidence: { rule },
    });
  }

  #doubt(reason: string | undefined): void {
    const { connection, clock, log, self } = this.#options;
    if (reason) log.warn({ reason }, 'requester degraded: silence is not held against nodes');
    else log.info({}, 'requester no longer degraded');
    const kind = reason ? 'degraded' : 'recovered';
    const event = {
      specversion: '1.0',
      id: `${this.#instance}:${kind}:${Math.round(clock.monotonic())}`,
      source: `/muster/${this.#acting?.clusterId ?? ''}/${self.NodeID}`,
      type: `org.muster.requester.${kind}`,
      subject: self.NodeID,
      time: clock.now().toISOString(),
      datacontenttype: 'application/json',
      data: { requester: self.NodeID, ...(reason ? { reason } : {}) },
    };
    // With the broker away nobody can be told; the log and the status have it.
    connection.publish(requesterEventSubject(self.NodeID, kind), JSON.stringify(event));
  }

  #silence({ vigil, roll }: Acting): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    vigil.stop();
    roll.stop();
  }

  #lost(holder: Holder): void {
    this.#stopping.abort();
    if (this.#acting) {
      this.#silence(this.#acting);
      void this.#acting.events.stop(0);
    }
    this.#options.onLost(
      new MusterError(
        'in_use',
        `requester ${holder.requester} (process ${holder.pid} on ${holder.host}) took over this cluster's roll while this one did not answer`,
        { hint: 'run one requester on a store' },
      ),
    );
  }

  #view({ vigil }: Acting, state: NodeState): NodeView {
    const id = state.Info.NodeID;
    return nodeView(state, vigil.health(id), vigil.silence(id), vigil.pulse(id), this.#resources.get(id));
  }

  #ready(): Acting {
    if (this.#acting && !this.#stopping.signal.aborted) return this.#acting;
    throw new MusterError('unreachable', `the requester is not ready: it waits for ${this.#waitingFor}`, {
      hint: 'try again in a moment; its log says more',
    });
  }

  async #stored<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      this.#counters.storeFailures++;
      throw new MusterError('unreachable', `the node info store does not answer: ${error.message}`, {
        hint: 'whether the change stands shows in: muster node list',
        cause: error,
      });
    }
  }
}

function reasonOfState(state: Connection['state']): string {
  return state.kind === 'disconnected' ? state.reason : state.kind;
}
