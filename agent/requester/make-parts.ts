// Makes the parts of a requester and connects them to each other. Nothing runs yet.

import type { AccountKeys } from '../protocol/account-keys.ts';
import type { NodeInfo } from '../protocol/node-info.ts';
import type { SubjectTemplates } from '../protocol/subject-template.ts';
import type { tombstoneLimits } from '../protocol/tombstone.ts';
import type { CertificateNews } from './authorities/certificate-news.ts';
import { retryOnBrokerError } from './cluster/retry.ts';
import { CordonEnds } from './cordons/cordon-ends.ts';
import { Drains } from './cordons/drains.ts';
import type { Callout } from './enrolment/callout.ts';
import type { Enrolment } from './enrolment/enrolment.ts';
import type { ClientTokens } from './enrolment/token-clients.ts';
import { changeEvent } from './events/change-event.ts';
import { ConditionAnnouncements } from './events/condition-announcements.ts';
import { ConflictDetector } from './events/conflict-detector.ts';
import { EventPublisher } from './events/event-publisher.ts';
import { type RequesterAnnouncer, requesterEvents } from './events/requester-events.ts';
import { eventStreamConfig } from './events/stream-config.ts';
import { readControlPlane } from './events/told-control-plane.ts';
import { Forgetting } from './forgetting/forgetting.ts';
import { TombstoneRoom } from './forgetting/tombstone-room.ts';
import { HealthWatch } from './health/health-watch.ts';
import { LastSeenStore } from './health/last-seen-store.ts';
import { ResourceHistory } from './history/resource-history.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Listeners } from './listeners/listeners.ts';
import {
  enterAgain,
  type OpenStore,
  type OpenStoreOptions,
  restoreOwnRecord,
  restoreStore,
} from './open-store.ts';
import { authorityNotes, noteChange } from './operations/note-change.ts';
import type { FirstTokenFile } from './operators/first-token-file.ts';
import { Operators } from './operators/operators.ts';
import { announcedReader, type Past } from './past.ts';
import { Renames } from './renames/renames.ts';
import type { RollPolicy } from './roll/admission.ts';
import { Executions } from './roll/executions.ts';
import { ResourceStore } from './roll/resource-store.ts';
import { Roll } from './roll/roll.ts';
import type { RollObserver } from './roll/roll-observer.ts';
import { WaitingList } from './roll/waiting-list.ts';
import type { Counters } from './status/counters.ts';
import { watchersBucket } from './watcher/lease-guard.ts';

export interface PartsSettings {
  /** Time between two heartbeats, in milliseconds. The next two have the same unit. */
  heartbeatFrequency: number;
  nodeDisconnectedAfter: number;
  nodeUnknownAfter: number;
  heartbeatTopic: string;
}

export interface PartsOptions extends OpenStoreOptions {
  /** See RequesterOptions. */
  certificates?: CertificateNews | undefined;
  self: NodeInfo;
  settings: PartsSettings;
  policy: RollPolicy;
  counters: Counters;
  /** Receives the questions of the requester's own broker who is let in; undefined when the broker is another one. */
  callout?: Callout | undefined;
  /** The accounts on a NATS with an operator; undefined on any other. */
  accounts?: AccountKeys | undefined;
  /** The tokens of clients without a key. */
  tokens?: ClientTokens | undefined;
  /** The subjects that are opened for approved nodes; without it none are. */
  approved?: SubjectTemplates | undefined;
  /** The folder of the requester's own broker; undefined when other requesters may write to its store. */
  brokerFolder?: string | undefined;
  /** Keeps outside of the store what an older store must not undo; undefined when nothing does. */
  ledger?: Ledger | undefined;
  /** The file with the operator's token of this machine; without it none is made. */
  firstToken?: FirstTokenFile | undefined;
  /** How many tombstones the store may have, and of which size in all; by default `tombstoneLimits`. */
  tombstones?: typeof tombstoneLimits | undefined;
  /** Aborts the start and everything that runs in the background. */
  signal: AbortSignal;
  /** Called when something that the status shows has changed. */
  onStatusChange?: (() => void) | undefined;
}

/** The parts that are made before the roll is loaded. The gate is missing on a broker that is not the requester's own. */
export type MadeParts = ReturnType<typeof makeParts> & Gate;

/** Who is let in to the broker. */
interface Gate {
  enrolment: Enrolment | undefined;
  listeners: Listeners | undefined;
}

/** Makes the parts. `past` is what the store and the event stream say of earlier requesters. */
export function makeParts(
  options: PartsOptions,
  store: OpenStore,
  past: Past,
  { enrolment, listeners }: Partial<Gate> = {},
) {
  const { self, settings, counters, clock, log, me, onStatusChange } = options;
  const { clusterId, lease, peers } = store;
  const requesterId = self.NodeID;
  const events = new EventPublisher({
    ...options,
    clusterId,
    requesterId,
    instance: me.instance,
    life: store.life,
    last: past.history.last,
    untilInForce: id => enrolment?.untilInForce(id),
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
    servers: options.replicaWatch,
    onSilent: id => lastSeen.markChanged(id),
    onDegradedChange: onStatusChange,
  });
  const lastSeen = new LastSeenStore(
    {
      clock,
      log,
      bucket: watchersBucket(store.cluster, lease),
      nodes: () => health.nodes(),
      lastSeenAt: id => health.liveness(id)?.lastSeenAt,
    },
    past.lastSeen.revisions,
  );
  const settlingMs = settings.nodeDisconnectedAfter;
  // All requesters hear the same messages, so one of them tells of a conflict.
  const announcer: Pick<EventPublisher, 'announceConflict'> = {
    announceConflict: (...found) => {
      if (lease.isHeld) events.announceConflict(...found);
    },
  };
  const conflicts = new ConflictDetector({ clock, log, counters, settlingMs, health, announcer });
  const conditions = new ConditionAnnouncements({
    clock,
    log,
    announcer: events,
    records: () => roll.records.list(),
  });
  const resources = new ResourceStore();
  const executions = new Executions();
  const history = new ResourceHistory({
    clock,
    records: () => roll.records.list(),
    record: id => roll.records.get(id),
    report: id => resources.get(id),
    health: id => health.health(id),
  });
  const cordonEnds = new CordonEnds({ clock, log, end: (id, until) => roll.endCordon(id, until) });
  const operators = new Operators({
    ...options,
    requesterId,
    bucket: store.cluster,
    events: ownEvents(options, store),
  });
  const waiting = new WaitingList({
    listeningMs: () => health.listeningMs(),
    silentAfterMs: settings.nodeDisconnectedAfter,
    hasKey: id => enrolment?.pins.of(id) !== undefined,
  });
  const own = options.authorities ? [options.authorities] : [];
  options.authorities?.announceBy(ownEvents(options, store));
  options.authorities?.noteBy((kind, pin, act) =>
    noteChange(store.cluster, `${authorityNotes}${pin}`, kind, act).catch(err =>
      log.warn({ pin, err }, 'which operation changed this CA could not be noted in the store'),
    ),
  );
  options.certificates?.announceBy(ownEvents(options, store), requesterId);
  const status = { onRecord: () => onStatusChange?.(), onRemoved: () => onStatusChange?.() };
  const failureText = 'the store cannot be compared with its events yet; trying again';
  const restoreAll = () => restoreStore(store, { ...options, roll, operators, enrolment, listeners });
  const restore = () => {
    lastSeen.markAllChanged();
    store.recovery.begin(restoreAll);
    if (!lease.isHeld) void restoreOwnRecord(store, { ...options, roll, operators, enrolment, listeners });
  };
  const ownRow: RollObserver = {
    onRemoved: () => undefined,
    onDeleted: id => {
      if (id !== requesterId) return;
      log.warn({}, 'an operator deleted this requester while it was not heard; it enters itself again');
      void enterAgain({ ...options, roll });
    },
  };
  const renameObserver: RollObserver = {
    onArriving: id => renames.onArriving(id),
    onRecord: (id, state) => renames.onRecord(id, state),
    onRemoved: () => undefined,
  };
  const roll: Roll = new Roll({
    ...options,
    bucket: store.nodes,
    life: store.life,
    announcer: events,
    requesterId,
    joinedBy: id => enrolment?.joinedBy(id),
    waiting,
    watches: () => lease.isHeld,
    hasPeers: () => peers.mayHaveWritten,
    // The last-seen store asks the health watch about a node before that forgets it.
    observers: [
      lastSeen,
      health,
      resources,
      executions,
      history,
      cordonEnds,
      conditions,
      conflicts,
      waiting,
      ...(enrolment?.observers ?? []),
      ...own,
      ownRow,
      status,
      renameObserver,
    ],
    publicKeyOf: id => enrolment?.pins.of(id)?.key,
    lastSeenAt: id => health.liveness(id)?.lastSeenAt,
    readControlPlane: async id => {
      const stream = await store.storage.stream(eventStreamConfig);
      const waiting = events.unacknowledgedChanges(id).map(change => changeEvent(id, change));
      return readControlPlane(stream, id, waiting, enrolment?.joinedBy(id));
    },
    pinnedAt: id => enrolment?.pins.of(id)?.at,
    onStoreLost: restore,
    readAnnounced: announcedReader(store.storage, past.history, events),
    persist: work => retryOnBrokerError(work, { ...options, failureText }),
    onLossesChange: onStatusChange,
  });
  const drains = new Drains({ clock, log, roll });
  const renames: Renames = new Renames({
    clock,
    log,
    roll,
    lastSeenAt: id => health.liveness(id)?.lastSeenAt,
    publicKeyOf: id => enrolment?.pins.of(id)?.key,
    refusePinned: (newId, id) => enrolment?.decisions.refuseOtherPin(newId, id),
  });
  const forgetting = new Forgetting({
    ...options,
    requesterId,
    settleMs: settings.nodeUnknownAfter,
    health,
    roll,
  });
  const tombstoneRoom = new TombstoneRoom({ clock, log, roll, limits: options.tombstones });
  return {
    events,
    health,
    lastSeen,
    conditions,
    conflicts,
    resources,
    executions,
    history,
    cordonEnds,
    drains,
    forgetting,
    renames,
    tombstoneRoom,
    operators,
    waiting,
    roll,
    restore,
  };
}

/** Returns what announces the deeds of operators that are no decisions about nodes. */
export function ownEvents(options: PartsOptions, { clusterId }: OpenStore): RequesterAnnouncer {
  const { self, me } = options;
  return requesterEvents({
    ...options,
    clusterId,
    requesterId: self.NodeID,
    instance: me.instance,
  });
}
