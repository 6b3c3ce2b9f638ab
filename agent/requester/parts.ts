// Opens the store, builds the parts of a requester and connects them to each other. This runs once at the start.
import type { NodeInfo } from '../protocol/node-info.ts';
import type { RecordedChange } from '../protocol/node-state.ts';
import { type Clock, endsWithin } from '../system/clock.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import {
  BrokerError,
  type Bucket,
  type Connection,
  type EventStream,
  type Storage,
} from '../transport/port.ts';
import { clusterBucket, ensureClusterId } from './cluster-bucket.ts';
import type { DirectoryParts } from './directory/node-directory.ts';
import { ConflictDetector } from './events/conflict-detector.ts';
import { type EventHistory, readEventHistory, unannouncedChanges } from './events/event-history.ts';
import { EventPublisher } from './events/event-publisher.ts';
import { eventStreamConfig } from './events/stream-config.ts';
import { keepRoom } from './events/stream-room.ts';
import { HealthWatch } from './health/health-watch.ts';
import { subscribeToHeartbeats } from './health/heartbeats.ts';
import { LastSeenStore, readLastSeen, type StoredLastSeen } from './health/last-seen-store.ts';
import { Incarnation } from './incarnation.ts';
import { type Holder, type Lease, takeLease } from './lease.ts';
import { guardStorage } from './lease-guard.ts';
import { answerNodeRequests } from './requests/node-requests.ts';
import { retryOnBrokerError } from './retry.ts';
import type { RollPolicy } from './roll/admission.ts';
import { ResourceStore } from './roll/resource-store.ts';
import { Roll } from './roll/roll.ts';
import { nodeBucket } from './roll/store.ts';
import { StoreProbe } from './roll/store-probe.ts';
import type { StoredRecord } from './roll/stored-record.ts';
import { WaitingList } from './roll/waiting-list.ts';
import type { Counters } from './status/counters.ts';
import type { StoreWatch } from './status/store-watch.ts';

export interface PartsSettings {
  /** Time between two heartbeats, in milliseconds. The next two have the same unit. */
  heartbeatFrequency: number;
  nodeDisconnectedAfter: number;
  nodeUnknownAfter: number;
  heartbeatTopic: string;
}

export interface PartsOptions {
  self: NodeInfo;
  settings: PartsSettings;
  policy: RollPolicy;
  counters: Counters;
  connection: Connection;
  clock: Clock;
  random: Random;
  log: Log;
  /** Watches whether the store carries out each write. */
  storeWatch: StoreWatch;
  /** The data about this process that a second requester gets. */
  me: Holder;
  /** Aborts the start and everything that runs in the background. */
  signal: AbortSignal;
  /** Called with a text that says what the start waits for. */
  onWait(what: string): void;
  /** Called when another requester took the lease. */
  onLeaseLost(holder: Holder): void;
  /** Called when something that the status shows has changed. */
  onStatusChange?: (() => void) | undefined;
}

export interface Parts extends DirectoryParts {
  clusterId: string;
  events: EventPublisher;
  /** Ends the subscriptions to nodes and the watch of the store. */
  silence(): void;
  /** Calls `silence`, waits at most `timeoutMs` until the waiting events are sent, and gives the lease back. */
  stop(timeoutMs: number): Promise<void>;
}

/**
 * Takes the lease, reads the store and starts to answer nodes. @throws BrokerError when the store does not answer; then
 * everything is undone and this may be called again. MusterError as `takeLease`.
 */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { connection, random, storeWatch, onWait } = options;
  const unguarded = storeWatch.watch(await connection.storage());
  const leaseBucket = await unguarded.bucket(clusterBucket);
  const clusterId = await ensureClusterId(leaseBucket, random);
  onWait('the lease of the acting requester');
  const lease = await takeLease({
    ...options,
    bucket: leaseBucket,
    clusterId,
    onLost: options.onLeaseLost,
  });
  const storage = guardStorage(unguarded, lease);
  try {
    const bucket = await storage.bucket(clusterBucket);
    onWait('the event stream to be read');
    const stream = await storage.stream(eventStreamConfig);
    const history = await readEventHistory(stream);
    onWait('the node info store to be read');
    const nodes = await storage.bucket(nodeBucket);
    const lastSeen = await readLastSeen(bucket, options.log);
    const life = await Incarnation.open({ ...options, cluster: bucket, nodes }, history.newestRevision);
    return await connectParts(
      options,
      { storage, clusterId, lease, cluster: bucket, stream, nodes, life },
      {
        history,
        lastSeen,
      },
    );
  } catch (error) {
    await lease.release();
    throw error;
  }
}

interface OpenStore {
  storage: Storage;
  clusterId: string;
  lease: Lease;
  /** The bucket that holds what is not about one node. */
  cluster: Bucket;
  stream: EventStream;
  nodes: Bucket;
  life: Incarnation;
}

/** What was known before this start. */
interface Past {
  history: EventHistory;
  lastSeen: StoredLastSeen;
}

async function connectParts(options: PartsOptions, store: OpenStore, past: Past): Promise<Parts> {
  const { self, settings, counters, clock, log, me, onStatusChange } = options;
  const { clusterId, stream, lease } = store;
  const requesterId = self.NodeID;

  const events = new EventPublisher({ ...options, lease, clusterId, requesterId, instance: me.instance });
  const health: HealthWatch = new HealthWatch({
    ...options,
    instance: me.instance,
    limits: {
      disconnectedAfterMs: settings.nodeDisconnectedAfter,
      unknownAfterMs: settings.nodeUnknownAfter,
    },
    checkIntervalMs: settings.heartbeatFrequency,
    announcer: events,
    onSilent: id => lastSeen.markChanged(id),
    onDegradedChange: onStatusChange,
  });
  const lastSeen = new LastSeenStore(
    {
      clock,
      log,
      bucket: store.cluster,
      nodes: () => health.nodes(),
      lastSeenAt: id => health.liveness(id)?.lastSeenAt,
    },
    past.lastSeen.revisions,
  );
  const settlingMs = settings.nodeDisconnectedAfter;
  const conflicts = new ConflictDetector({ clock, log, counters, settlingMs, health, announcer: events });
  const resources = new ResourceStore();
  const waiting = new WaitingList({
    listeningMs: () => health.listeningMs(),
    silentAfterMs: settings.nodeDisconnectedAfter,
  });
  const status = { onRecord: () => onStatusChange?.(), onRemoved: () => onStatusChange?.() };
  const roll: Roll = new Roll({
    ...options,
    bucket: store.nodes,
    life: store.life,
    announcer: events,
    requesterId,
    waiting,
    // The last-seen store asks the health watch about a node before that forgets it.
    observers: [lastSeen, health, resources, conflicts, waiting, status],
    onStoreLost: () => {
      lastSeen.markAllChanged();
      void restoreStore(options, store, roll);
    },
    readAnnounced: announcedReader(store, past.history, events),
    persist: work => retryOnBrokerError(work, { ...options, failureText: notCompared }),
    onLossesChange: onStatusChange,
  });

  try {
    await roll.load(catchUp(past, { clock, health, events, waiting }));
    await roll.registerSelf(self);
    if (options.signal.aborted) throw new BrokerError('disconnected', 'stopped while starting');
  } catch (error) {
    roll.stop();
    throw error;
  }
  events.start(stream);
  const { heartbeatTopic: topic } = settings;
  const subscriptions = [
    subscribeToHeartbeats({ ...options, topic, records: roll.records, health, conflicts, waiting }),
    answerNodeRequests({
      ...options,
      ...settings,
      roll,
      resources,
      health,
      conflicts,
      waiting,
      clusterId,
      requesterId,
      lease,
    }),
  ];
  health.start();
  const room = keepRoom({ stream, clock, log });
  lastSeen.start();
  const probe = new StoreProbe({
    ...options,
    bucket: store.nodes,
    countKnown: () => roll.knownKeys,
    onShortage: () => roll.readAgain(),
  });
  probe.start();
  log.info({ node: requesterId, cluster: clusterId, nodes: roll.records.size }, 'the requester is ready');

  const silence = () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
    health.stop();
    lastSeen.stop();
    room.stop();
    probe.stop();
    roll.stop();
  };
  const stop = async (timeoutMs: number) => {
    silence();
    // While the broker is away nothing can be stored, and the nodes send their information again.
    const stored = Promise.all(timeoutMs > 0 ? [roll.storeHeld(), lastSeen.writeAll()] : []);
    // After the loss of the lease nothing may be written.
    const ended = stored.catch(err => log.debug({ err }, 'the last writes of this requester were not made'));
    await endsWithin(clock, timeoutMs / 4, ended);
    const waiting = await events.stop(timeoutMs);
    const text = 'events wait for the broker; those of the store are sent at the next start';
    if (waiting > 0) log.warn({ waiting }, text);
    await lease.release();
  };
  return { clusterId, roll, health, resources, conflicts, events, stream, silence, stop };
}

const notCompared = 'the store cannot be compared with its events yet; trying again';

// Returns a function that reads what was announced last of each node. The first time, `history` was just read. Later, changes
// may stand in the store whose events the broker has not acknowledged.
function announcedReader({ storage }: OpenStore, history: EventHistory, events: EventPublisher) {
  let newest: EventHistory | undefined = history;
  return async () => {
    const { memberships } = newest ?? (await readEventHistory(await storage.stream(eventStreamConfig)));
    newest = undefined;
    events.addWaiting(memberships);
    return memberships.nodes;
  };
}

// Returns a function that is called with each record that was in the store at the start. It announces the changes that were
// not announced yet, and watches the node from the health that was announced last. It is a function of its own so that the
// history can be freed when the roll is loaded.
function catchUp(
  { history, lastSeen }: Past,
  {
    clock,
    health,
    events,
    waiting,
  }: { clock: Clock; health: HealthWatch; events: EventPublisher; waiting: WaitingList },
) {
  const now = clock.now();
  return (id: string, stored: StoredRecord, changes: RecordedChange[]) => {
    const due = unannouncedChanges(id, changes, history.announced(id), now, history.noiseSince);
    for (const change of due) events.announceChange(id, change);
    const isNew = due.some(({ Kind }) => Kind === 'registered');
    if (stored.kind === 'record' && stored.state.Info.NodeType === 'Compute') {
      const seenAt = isNew ? undefined : lastSeen.times.get(id);
      health.add(id, isNew ? 'UNKNOWN' : history.health(id), seenAt);
      if (stored.state.Membership === 'PENDING') waiting.add(id, seenAt !== undefined);
    }
  };
}

// Writes again what the lost store contained besides the nodes.
async function restoreStore(options: PartsOptions, store: OpenStore, roll: Roll): Promise<void> {
  const { random, self, log } = options;
  const { storage, clusterId } = store;
  const work = async () => {
    await ensureClusterId(await storage.bucket(clusterBucket), random, clusterId);
    await storage.stream(eventStreamConfig);
    await roll.registerSelf(self);
  };
  const failureText = 'the lost store cannot be set up again yet; trying again';
  await retryOnBrokerError(work, { ...options, failureText }).catch(error => {
    log.error(
      { err: error },
      'the lost store now contains data of another program; a restart of the requester shows the reason',
    );
  });
}
