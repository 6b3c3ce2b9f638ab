// Builds the parts of a requester and connects them to each other. This runs once at the start.
import type { NodeInfo } from '../protocol/node-info.ts';
import { endsWithin } from '../system/clock.ts';
import { BrokerError } from '../transport/port.ts';
import { retryOnBrokerError } from './cluster/retry.ts';
import type { DirectoryParts } from './directory/node-directory.ts';
import type { Callout } from './enrolment/callout.ts';
import { Enrolment } from './enrolment/enrolment.ts';
import type { ClientTokens } from './enrolment/token-clients.ts';
import { type Conflict, ConflictDetector } from './events/conflict-detector.ts';
import { EventPublisher } from './events/event-publisher.ts';
import { type RequesterAnnouncer, requesterEvents } from './events/requester-events.ts';
import { eventStreamConfig } from './events/stream-config.ts';
import { keepRoom } from './events/stream-room.ts';
import { HealthWatch } from './health/health-watch.ts';
import { subscribeToHeartbeats } from './health/heartbeats.ts';
import { LastSeenStore } from './health/last-seen-store.ts';
import { type OpenStore, type OpenStoreOptions, openStore, restoreStore } from './open-store.ts';
import type { FirstTokenFile } from './operators/first-token.ts';
import { Operators } from './operators/operators.ts';
import { announcedReader, catchUp, type Past } from './past.ts';
import { answerNodeRequests } from './requests/node-requests.ts';
import type { RollPolicy } from './roll/admission.ts';
import { ResourceStore } from './roll/resource-store.ts';
import { Roll } from './roll/roll.ts';
import { StoreProbe } from './roll/store-probe.ts';
import { WaitingList } from './roll/waiting-list.ts';
import type { Counters } from './status/counters.ts';

export interface PartsSettings {
  /** Time between two heartbeats, in milliseconds. The next two have the same unit. */
  heartbeatFrequency: number;
  nodeDisconnectedAfter: number;
  nodeUnknownAfter: number;
  heartbeatTopic: string;
}

export interface PartsOptions extends OpenStoreOptions {
  self: NodeInfo;
  settings: PartsSettings;
  policy: RollPolicy;
  counters: Counters;
  /** Receives the questions of the requester's own broker who is let in; undefined when the broker is another one. */
  callout?: Callout | undefined;
  /** The tokens of clients without a key. */
  tokens?: ClientTokens | undefined;
  /** The file with the operator's token of this machine; without it none is made. */
  firstToken?: FirstTokenFile | undefined;
  /** Aborts the start and everything that runs in the background. */
  signal: AbortSignal;
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

/** The parts that are made before the roll is loaded. */
type MadeParts = ReturnType<typeof makeParts> & { enrolment: Enrolment | undefined };

/**
 * Takes the lease, reads the store and starts to answer nodes. @throws BrokerError when the store does not answer; then
 * everything is undone and this may be called again. MusterError as `takeLease`.
 */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { store, past } = await openStore(options);
  try {
    return await connectParts(options, store, past);
  } catch (error) {
    await store.lease.release();
    throw error;
  }
}

async function connectParts(options: PartsOptions, store: OpenStore, past: Past): Promise<Parts> {
  const { clusterId, stream } = store;
  const enrolment = await openEnrolment(options, store);
  const made = { ...makeParts(options, store, past, enrolment), enrolment };
  await loadRoll(options, made, past);
  made.events.start(stream);
  const silence = startParts(options, store, made);
  const { roll, health, resources, events, operators } = made;
  const { log, self } = options;
  log.info({ node: self.NodeID, cluster: clusterId, nodes: roll.records.size }, 'the requester is ready');
  const stop = async (timeoutMs: number) => {
    silence();
    await endParts(options, store, made, timeoutMs);
  };
  const conflicts = { latest: (id: string) => latestConflict(made, id) };
  const joinCodes = enrolment?.joinCodes;
  const keys = enrolment?.decisions;
  return {
    clusterId,
    joinCodes,
    roll,
    health,
    resources,
    conflicts,
    keys,
    events,
    operators,
    stream,
    silence,
    stop,
  };
}

// Reads who is let in to the requester's own broker. On another broker its operator decides that.
async function openEnrolment(options: PartsOptions, store: OpenStore): Promise<Enrolment | undefined> {
  const { callout, self, settings, tokens = {} } = options;
  if (!callout) return undefined;
  const { cluster: bucket, lease } = store;
  return Enrolment.open({
    ...options,
    ...settings,
    callout,
    tokens,
    events: ownEvents(options, store),
    bucket,
    lease,
    requesterId: self.NodeID,
  });
}

/** Announces what operators do besides decisions about nodes. */
function ownEvents(options: PartsOptions, { clusterId, lease }: OpenStore): RequesterAnnouncer {
  const { self, me } = options;
  return requesterEvents({
    ...options,
    lease,
    clusterId,
    requesterId: self.NodeID,
    instance: me.instance,
  });
}

function makeParts(options: PartsOptions, store: OpenStore, past: Past, enrolment: Enrolment | undefined) {
  const { self, settings, counters, clock, log, me, onStatusChange } = options;
  const { clusterId, lease } = store;
  const requesterId = self.NodeID;
  const events = new EventPublisher({
    ...options,
    lease,
    clusterId,
    requesterId,
    instance: me.instance,
    untilInForce: id => enrolment?.follower.untilFollowed(id),
  });
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
  const operators = new Operators({ ...options, bucket: store.cluster, events: ownEvents(options, store) });
  const waiting = new WaitingList({
    listeningMs: () => health.listeningMs(),
    silentAfterMs: settings.nodeDisconnectedAfter,
  });
  const status = { onRecord: () => onStatusChange?.(), onRemoved: () => onStatusChange?.() };
  const failureText = 'the store cannot be compared with its events yet; trying again';
  const restore = () => {
    lastSeen.markAllChanged();
    void restoreStore(store, { ...options, roll, operators, enrolment });
  };
  lease.onRemoved = restore;
  const roll: Roll = new Roll({
    ...options,
    bucket: store.nodes,
    life: store.life,
    announcer: events,
    requesterId,
    joinedBy: id => enrolment?.joinedBy(id),
    waiting,
    // The last-seen store asks the health watch about a node before that forgets it.
    observers: [
      lastSeen,
      health,
      resources,
      conflicts,
      waiting,
      ...(enrolment ? [enrolment.follower] : []),
      status,
    ],
    publicKeyOf: id => enrolment?.pins.of(id)?.key,
    onStoreLost: restore,
    readAnnounced: announcedReader(store.storage, past.history, events),
    persist: work => retryOnBrokerError(work, { ...options, failureText }),
    onLossesChange: onStatusChange,
  });
  return { events, health, lastSeen, conflicts, resources, operators, waiting, roll };
}

async function loadRoll({ clock, self, signal }: PartsOptions, made: MadeParts, past: Past): Promise<void> {
  const { roll, operators, enrolment } = made;
  try {
    await roll.load(catchUp(past, { ...made, clock }));
    await roll.registerSelf(self);
    await operators.open();
    await enrolment?.follower.start(roll.records);
    if (signal.aborted) throw new BrokerError('disconnected', 'stopped while starting');
  } catch (error) {
    roll.stop();
    throw error;
  }
}

// Starts to listen to nodes and everything that runs in the background. Returns a function that ends it.
function startParts(options: PartsOptions, store: OpenStore, made: MadeParts): () => void {
  const { self, settings, clock, log } = options;
  const { clusterId, lease, stream, nodes } = store;
  const { roll, health, lastSeen, enrolment } = made;
  const topic = settings.heartbeatTopic;
  const hasUnverified = options.tokens?.unverified !== undefined;
  const common = { ...options, ...made, requesterId: self.NodeID, hasUnverified };
  const subscriptions = [
    subscribeToHeartbeats({
      ...common,
      topic,
      records: roll.records,
      hasKey: id => enrolment?.pins.of(id) !== undefined,
    }),
    answerNodeRequests({
      ...common,
      ...settings,
      clusterId,
      lease,
      mayAnswer: (id, reply, isVerified) => enrolment?.mayAnswer(id, reply, isVerified) ?? true,
    }),
  ];
  const stopEnrolment = enrolment?.start(roll.records, made.events);
  health.start();
  const room = keepRoom({ stream, reopen: () => store.storage.stream(eventStreamConfig), clock, log });
  lastSeen.start();
  const probe = new StoreProbe({
    ...options,
    bucket: nodes,
    countKnown: () => roll.knownKeys,
    onShortage: () => roll.readAgain(),
  });
  probe.start();
  return () => {
    stopEnrolment?.();
    for (const subscription of subscriptions) subscription.unsubscribe();
    health.stop();
    lastSeen.stop();
    room.stop();
    probe.stop();
    roll.stop();
  };
}

// Stores and sends what still waits, for `timeoutMs` at most, and gives the lease back.
async function endParts(
  { clock, log }: PartsOptions,
  { lease }: OpenStore,
  { roll, lastSeen, events }: MadeParts,
  timeoutMs: number,
): Promise<void> {
  // While the broker is away nothing can be stored, and the nodes send their information again.
  const stored = Promise.all(timeoutMs > 0 ? [roll.storeHeld(), lastSeen.writeAll()] : []);
  // After the loss of the lease nothing may be written.
  const ended = stored.catch(err => log.debug({ err }, 'the last writes of this requester were not made'));
  await endsWithin(clock, timeoutMs / 4, ended);
  const waiting = await events.stop(timeoutMs);
  const text = 'events wait for the broker; those of the store are sent at the next start';
  if (waiting > 0) log.warn({ waiting }, text);
  await lease.release();
}

/** Returns the later one of the last conflict of two processes and the last one of two keys. */
function latestConflict({ conflicts, enrolment }: MadeParts, id: string): Conflict | undefined {
  const found = [conflicts.latest(id), enrolment?.latestConflict(id)].filter(each => each !== undefined);
  return found.sort((a, b) => b.at.getTime() - a.at.getTime())[0];
}
