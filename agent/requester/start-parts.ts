// Loads the roll into the parts of a requester, starts them, and ends them.
import { endsWithin } from '../system/clock.ts';
import { BrokerError } from '../transport/port.ts';
import { KeyRotations } from './enrolment/key-rotations.ts';
import { eventStreamConfig } from './events/stream-config.ts';
import { keepRoom } from './events/stream-room.ts';
import { subscribeToHeartbeats } from './health/heartbeats.ts';
import type { MadeParts, PartsOptions } from './make-parts.ts';
import type { OpenStore } from './open-store.ts';
import { catchUp, type Past } from './past.ts';
import { answerNodeRequests } from './requests/node-requests.ts';
import { StoreProbe } from './roll/store-probe.ts';
import { watchersStream } from './watcher/lease-guard.ts';
import { warnOfOrchestrators } from './watcher/orchestrators.ts';
import { authorityMaker } from './watcher/peers.ts';
import { WatchDuty } from './watcher/watch-duty.ts';

/** Reads the records of nodes and operators. @throws BrokerError when the store does not answer or the start is aborted */
export async function loadRoll(
  { clock, self, signal, storeMark, authorities, brokerFolder }: PartsOptions,
  made: MadeParts,
  past: Past,
): Promise<void> {
  const { roll, operators, enrolment, listeners } = made;
  try {
    await roll.load(catchUp(past, { ...made, clock }));
    made.cordonEnds.load(roll.records.list());
    await roll.registerSelf(self);
    await operators.open();
    await listeners?.open();
    await enrolment?.settle(roll.records, roll, {
      olderSince: storeMark?.older?.at,
      isOwnStore:
        storeMark?.isRestored === true || (brokerFolder !== undefined && !operators.knowsOtherRequesters),
    });
    await storeMark?.endRestore();
    authorities?.start(roll.records);
    if (signal.aborted) throw new BrokerError('disconnected', 'stopped while starting');
  } catch (error) {
    roll.stop();
    throw error;
  }
}

/**
 * Starts to listen to nodes and everything that runs in the background. `lastSequence` is that of the newest event that was
 * read at the start. Returns what tells of the watch, and functions that answer the last requests and that end everything.
 * @throws BrokerError
 */
export async function startParts(
  options: PartsOptions,
  store: OpenStore,
  made: MadeParts,
  lastSequence: number,
): Promise<{ duty: WatchDuty; finishRequests: () => Promise<void>; end: () => void }> {
  const { self, settings, clock, log, onStatusChange } = options;
  const { clusterId, lease, peers, stream, fence, nodes } = store;
  const { roll, health, lastSeen, enrolment, listeners } = made;
  const topic = settings.heartbeatTopic;
  const hasUnverified = options.tokens?.unverified !== undefined;
  // Where the broker checks no keys.
  const isShared = made.enrolment === undefined;
  const common = { ...options, ...made, requesterId: self.NodeID, hasUnverified, isShared };
  const requests = answerNodeRequests({
    ...common,
    ...settings,
    clusterId,
    peers,
    refreshKey: async id => await enrolment?.pins.refresh(id),
    rotations: enrolment && new KeyRotations({ ...common, pins: enrolment.pins, bans: enrolment.bans }),
    // Where the broker checks no keys, anybody may pretend to be another requester.
    othersAuthorities: () => (enrolment && authorityMaker(peers.list())?.authorities) ?? [],
    quorumFault: () => options.replicaWatch?.lastingFault,
    mayAnswer: (id, reply, isVerified) => enrolment?.mayAnswer(id, reply, isVerified) ?? true,
  });
  const heartbeats = subscribeToHeartbeats({
    ...common,
    topic,
    records: roll.records,
    hasKey: id => enrolment?.pins.of(id) !== undefined,
  });
  const stopEnrolment = enrolment?.start(roll.records, made.events);
  const stopListeners = listeners?.start();
  health.start();
  made.history.start();
  const reopen = () => store.storage.stream(eventStreamConfig);
  const announced = watchersStream(stream, lease, fence);
  const duty = new WatchDuty({
    ...options,
    lease,
    fence,
    stream,
    health,
    events: {
      begin: begin => made.events.start(announced, begin),
      pause: () => made.events.pause(),
      dropAnnounced: (due, last) => made.events.dropAnnounced(due, last),
      onAnnounced: (node, event) => made.events.onAnnounced(node, event),
    },
    work: [
      ({ isTakeover }) => {
        lastSeen.start();
        if (isTakeover) lastSeen.markAllChanged();
        return { stop: () => lastSeen.pause() };
      },
      () => {
        store.recovery.takeOver();
        return { stop: () => undefined };
      },
      () => made.cordonEnds.begin(),
      () => made.forgetting.begin(),
      () => made.renames.begin(),
      () => made.tombstoneRoom.begin(),
      () => made.conditions.begin(),
      () => keepRoom({ stream: announced, reopen, clock, log }),
      () => {
        const countKnown = () => roll.knownKeys;
        const onShortage = () => roll.readAgain();
        const probe = new StoreProbe({ ...options, bucket: nodes, countKnown, onShortage });
        probe.start();
        return probe;
      },
    ],
    onChange: () => {
      peers.tell();
      onStatusChange?.();
    },
  });
  fence.follow({
    onOvertaken: () => duty.takeOverAgain(),
    onLost: created => made.events.beginAnew(created),
  });
  lease.follow({ onChange: () => duty.onLease(), onRemoved: made.restore });
  peers.start({
    watches: () => duty.watches,
    onChange: () => {
      requests.hearOthers();
      onStatusChange?.();
    },
    onLeaving: instance => lease.onLeaving(instance),
  });
  options.authorities?.follow(() => {
    peers.tell();
    requests.hearOthers();
  });
  requests.hearOthers();
  void warnOfOrchestrators({ self, peers, records: roll.records, log });
  const end = () => {
    stopEnrolment?.();
    stopListeners?.();
    for (const subscription of [heartbeats, requests]) subscription.unsubscribe();
    peers.stop();
    health.stop();
    made.history.stop();
    duty.stop();
    lastSeen.stop();
    roll.stop();
  };
  try {
    await duty.start(lastSequence);
  } catch (error) {
    end();
    throw error;
  }
  return { duty, finishRequests: requests.finish, end };
}

/** Stores and sends what still waits, for `timeoutMs` at most, and gives the lease back. */
export async function endParts(
  { clock, log, storeMark, authorities, certificates }: PartsOptions,
  { lease, peers }: OpenStore,
  { roll, lastSeen, events }: MadeParts,
  timeoutMs: number,
): Promise<void> {
  // While the broker is away nothing can be stored, and the nodes send their information again.
  const stored = Promise.all(timeoutMs > 0 ? [roll.storeHeld(), lastSeen.writeAll()] : []);
  // The store may refuse them, and without the lease this requester may not store when nodes were last heard.
  const ended = stored.catch(err => log.debug({ err }, 'the last writes of this requester were not made'));
  await endsWithin(clock, timeoutMs / 4, ended);
  const waiting = await events.stop(timeoutMs);
  const text = 'events wait for the broker; those of the store are sent at the next start';
  if (waiting > 0) log.warn({ waiting }, text);
  await lease.release();
  peers.tellLeaving();
  certificates?.stop();
  await Promise.all([storeMark?.write(), authorities?.stop()]);
}
