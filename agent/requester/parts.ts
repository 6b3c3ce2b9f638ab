// The requester at work, once it has the lease and has read the store: roll, vigil and events, and who feeds them.
import { eventSource, requesterEvent } from '../protocol/events.ts';
import type { NodeInfo } from '../protocol/node-info.ts';
import type { RecordedChange } from '../protocol/node-state.ts';
import { requesterEventSubject } from '../protocol/subjects.ts';
import type { Clock } from '../system/clock.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import {
  BrokerError,
  type Connection,
  type EventStream,
  type Storage,
  type Subscription,
} from '../transport/port.ts';
import { Conflicts } from './events/conflict-detector.ts';
import { type History, readHistory, untold } from './events/event-history.ts';
import { Events, eventStream } from './events/event-publisher.ts';
import { Vigil } from './health/health-watch.ts';
import { listenForHeartbeats } from './health/heartbeats.ts';
import { clusterBucket, clusterId, type Holder, type Lease, takeLease } from './lease.ts';
import { answerNodeRequests } from './requests/node-requests.ts';
import { persevere } from './retry.ts';
import type { Known } from './roll/membership.ts';
import { ResourceStore } from './roll/resource-store.ts';
import { Roll, type RollListener, type RollOptions } from './roll/roll.ts';
import { nodeBucket } from './roll/store.ts';
import type { Counters } from './status/counters.ts';

export interface ActingSettings {
  /** Milliseconds. */
  heartbeatFrequency: number;
  heartbeatTopic: string;
  nodeDisconnectedAfter: number;
  nodeUnknownAfter: number;
}

export interface ActingOptions {
  self: NodeInfo;
  settings: ActingSettings;
  /** Read anew at each registration. */
  policy: RollOptions;
  counters: Counters;
  connection: Connection;
  clock: Clock;
  random: Random;
  log: Log;
  /** This process: what a second requester is told of the holder. */
  me: Holder;
  /** Aborts the start, and all that goes on in the background. */
  signal: AbortSignal;
  /** What the start waits for next. */
  waitsFor(what: string): void;
  /** Another requester took the lease. */
  lost(holder: Holder): void;
  /** The roll has changed, or whether silence is trusted. */
  changed?(): void;
}

/**
 * Takes the lease, reads the store and begins to answer nodes.
 * @throws BrokerError when the store does not answer: all is undone then, and may be tried again; MusterError as `takeLease`.
 */
export async function act(options: ActingOptions): Promise<Acting> {
  const { connection, clock, random, log, me, signal } = options;
  const storage = await connection.storage();
  const bucket = await storage.bucket(clusterBucket);
  const cluster = await clusterId(bucket, random);
  options.waitsFor('the lease of the acting requester');
  const lease = await takeLease({
    bucket,
    connection,
    clusterId: cluster,
    me,
    clock,
    log,
    onLost: holder => options.lost(holder),
    signal,
  });
  try {
    options.waitsFor('the event stream to be read');
    const stream = await storage.stream(eventStream);
    const history = await readHistory(stream);
    options.waitsFor('the node info store to be read');
    const nodes = await storage.bucket(nodeBucket);
    const acting = new Acting(
      options,
      { storage, cluster, lease, stream },
      listener => new Roll(nodes, options.policy, listener),
    );
    await acting.begin(history);
    return acting;
  } catch (error) {
    await lease.release();
    throw error;
  }
}

interface Opened {
  storage: Storage;
  cluster: string;
  lease: Lease;
  stream: EventStream;
}

export class Acting {
  readonly roll: Roll;
  readonly vigil: Vigil;
  readonly events: Events;
  readonly resources = new ResourceStore();
  readonly #options: ActingOptions;
  readonly #opened: Opened;
  readonly #conflicts: Conflicts;
  readonly #subscriptions: Subscription[] = [];

  constructor(options: ActingOptions, opened: Opened, makeRoll: (listener: RollListener) => Roll) {
    const { clock, random, log, connection, settings, me } = options;
    const instance = me.instance;
    this.#options = options;
    this.#opened = opened;
    this.events = new Events({
      clock,
      random,
      log,
      connection,
      clusterId: opened.cluster,
      requesterId: me.requester,
      instance,
    });
    this.vigil = new Vigil({
      clock,
      log,
      connection,
      instance,
      limits: { disconnectedAfter: settings.nodeDisconnectedAfter, unknownAfter: settings.nodeUnknownAfter },
      checkEvery: settings.heartbeatFrequency,
      announce: (node, kind, previous, current, evidence) => {
        log.info({ node, previous, current, ...evidence }, `node is ${kind}`);
        const data = { node, previous: { health: previous }, current: { health: current }, evidence };
        this.events.observed(node, kind, data);
      },
      doubt: reason => this.#doubt(reason),
    });
    this.#conflicts = new Conflicts({
      clock,
      settling: settings.nodeDisconnectedAfter,
      alive: id => this.vigil.health(id) === 'HEALTHY',
      seen: () => options.counters.conflicts++,
      tell: id => this.#tellConflict(id),
    });
    this.roll = makeRoll(this.#listener());
  }

  get clusterId(): string {
    return this.#opened.cluster;
  }

  get stream(): EventStream {
    return this.#opened.stream;
  }

  /** Reads the roll, says what is still to be said, and listens to nodes. Throws BrokerError; then nothing goes on. */
  async begin(history: History): Promise<void> {
    const { self, log, signal } = this.#options;
    try {
      await this.roll.load(this.#catchUp(history));
      await this.roll.enrolSelf(self);
      if (signal.aborted) throw new BrokerError('disconnected', 'stopped while starting');
    } catch (error) {
      this.roll.stop();
      throw error;
    }
    this.events.start(this.stream);
    this.#listen();
    this.vigil.start();
    log.info({ node: self.NodeID, cluster: this.clusterId, nodes: this.roll.size }, 'the requester is ready');
  }

  /** Hears and judges no more. */
  silence(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.vigil.stop();
    this.roll.stop();
  }

  /** Falls silent, sends the events that wait for at most `timeout` milliseconds, gives the lease back. */
  async stop(timeout: number): Promise<void> {
    this.silence();
    const waiting = await this.events.stop(timeout);
    const text = 'events wait for the broker; those of the store are sent at the next start';
    if (waiting > 0) this.#options.log.warn({ waiting }, text);
    await this.#opened.lease.release();
  }

  // What is due of a record that was there at the start. Apart, so that the history goes when all of them are met.
  #catchUp(history: History): (id: string, known: Known, changes: RecordedChange[]) => void {
    const now = this.#options.clock.now();
    return (id, known, changes) => {
      const due = untold(changes, history.revisions(id), now);
      for (const change of due) this.events.changed(id, change);
      const isNew = due.some(({ Kind }) => Kind === 'registered');
      if (known.kind === 'record' && known.state.Info.NodeType === 'Compute') {
        this.vigil.add(id, isNew ? 'UNKNOWN' : history.health(id));
      }
    };
  }

  #listener(): RollListener {
    return {
      present: (id, state, before) => {
        if (state.Info.NodeType === 'Compute') this.vigil.add(id);
        // Another session may be all that is heard of a registration.
        if (before && before.Muster?.Session !== state.Muster?.Session) this.#conflicts.registered(id);
        this.#options.changed?.();
      },
      gone: id => {
        this.vigil.delete(id);
        this.resources.delete(id);
        this.#conflicts.forget(id);
        this.#options.changed?.();
      },
      changed: (id, change) => this.events.changed(id, change),
      unannounced: id => this.events.unannounced(id),
      lost: () => void this.#restore(),
    };
  }

  // Puts back what the lost store held beside the nodes.
  async #restore(): Promise<void> {
    const { random, self, log } = this.#options;
    const { storage, cluster } = this.#opened;
    const work = async () => {
      await clusterId(await storage.bucket(clusterBucket), random, cluster);
      await storage.stream(eventStream);
      await this.roll.enrolSelf(self);
    };
    const failed = 'the lost store cannot be set up again yet; trying again';
    await persevere(work, { ...this.#options, failed }).catch(error => {
      log.error({ err: error }, 'the lost store holds what is not ours; restart the requester to see');
    });
  }

  #listen(): void {
    const { connection, clock, log, settings, self, counters } = this.#options;
    const { roll, vigil, resources, clusterId } = this;
    const shared = { connection, clock, log, counters };
    this.#subscriptions.push(
      listenForHeartbeats({
        ...shared,
        topic: settings.heartbeatTopic,
        record: id => roll.get(id),
        heard: (id, sequence) => vigil.heard(id, sequence),
        stranger: id => this.#conflicts.stranger(id),
      }),
      answerNodeRequests({
        ...shared,
        roll,
        resources,
        clusterId,
        requesterId: self.NodeID,
        heartbeatTopic: settings.heartbeatTopic,
        nodeDisconnectedAfter: settings.nodeDisconnectedAfter,
        heard: id => vigil.heard(id),
        left: (id, reason) => vigil.left(id, reason),
        registered: id => this.#conflicts.registered(id),
        stranger: id => this.#conflicts.stranger(id),
      }),
    );
  }

  #tellConflict(id: string): void {
    const rule = 'a message of an older registration came while the newer one is alive';
    this.#options.log.warn({ node: id }, 'two agents seem to use this node id');
    const state = this.roll.get(id);
    const membership = state?.Membership ? { membership: state.Membership } : {};
    const data = { node: id, previous: membership, current: membership, evidence: { rule } };
    this.events.observed(id, 'conflict', data);
  }

  #doubt(reason: string | undefined): void {
    const { connection, clock, log, self, me } = this.#options;
    if (reason) log.warn({ reason }, 'requester degraded: silence is not held against nodes');
    else log.info({}, 'requester no longer degraded');
    const kind = reason ? 'degraded' : 'recovered';
    const id = `${me.instance}:${kind}:${Math.round(clock.monotonic())}`;
    const source = eventSource(this.clusterId, self.NodeID);
    const event = requesterEvent(kind, id, source, clock.now().toISOString(), self.NodeID, reason);
    // With the broker away nobody can be told; the log and the status have it.
    connection.publish(requesterEventSubject(self.NodeID, kind), JSON.stringify(event));
    this.#options.changed?.();
  }
}
