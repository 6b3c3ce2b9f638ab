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

/** Reads the records of nodes and operators. @throws BrokerError when the store does not answer or the start is aborted */
export async function loadRoll(
  { clock, self, signal, storeMark, authorities, brokerFolder }: PartsOptions,
  made: MadeParts,
  past: Past,
): Promise<void> {
  const { roll, operators, enrolment, listeners } = made;
  try {
    await roll.load(catchUp(past, { ...made, clock }));
    await roll.registerSelf(self);
    await operators.open();
    await listeners?.open();
    await enrolment?.settle(roll.records, roll, {
      olderSince: storeMark?.older?.at,
      isOwnStore: brokerFolder !== undefined && !operators.knowsOtherRequesters,
    });
    authorities?.start(roll.records);
    if (signal.aborted) throw new BrokerError('disconnected', 'stopped while starting');
  } catch (error) {
    roll.stop();
    throw error;
  }
}

/** Starts to listen to nodes and everything that runs in the background. Returns a function that ends it. */
export function startParts(options: PartsOptions, store: OpenStore, made: MadeParts): () => void {
  const { self, settings, clock, log } = options;
  const { clusterId, lease, stream, nodes } = store;
  const { roll, health, lastSeen, enrolment, listeners } = made;
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
      rotations: enrolment && new KeyRotations({ ...common, pins: enrolment.pins, bans: enrolment.bans }),
      isShared: enrolment === undefined,
      mayAnswer: (id, reply, isVerified) => enrolment?.mayAnswer(id, reply, isVerified) ?? true,
    }),
  ];
  const stopEnrolment = enrolment?.start(roll.records, made.events);
  const stopListeners = listeners?.start();
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
    stopListeners?.();
    for (const subscription of subscriptions) subscription.unsubscribe();
    health.stop();
    lastSeen.stop();
    room.stop();
    probe.stop();
    roll.stop();
  };
}

/** Stores and sends what still waits, for `timeoutMs` at most, and gives the lease back. */
export async function endParts(
  { clock, log, storeMark, authorities }: PartsOptions,
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
  await Promise.all([storeMark?.write(), authorities?.stop()]);
}
