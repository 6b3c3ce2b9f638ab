// The stored roll is what the servers of a cluster have of it: each record under its id and revision, and how many events.
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import { nodeBucket } from '../../../agent/requester/roll/store.ts';
import type { CopyingConnection } from '../../../agent/transport/port.ts';

export interface StoredRoll {
  /** The revision of the record of each node. */
  revisions: ReadonlyMap<string, number>;
  /** Number of stored events, and the sequence of the newest one. */
  events: number;
  lastEvent: number;
}

/** Reads what is stored, and makes no stream. @throws BrokerError when a stream is away or has no leader */
export async function readStoredRoll(connection: CopyingConnection): Promise<StoredRoll> {
  const revisions = new Map<string, number>();
  const [storage, copies] = await Promise.all([connection.storage(), connection.copies()]);
  const bucket = await storage.bucket({ ...nodeBucket, isKnown: true });
  const watch = await bucket.watch(({ key, revision }) => void revisions.set(key, revision));
  try {
    await watch.ready;
  } finally {
    watch.stop();
  }
  const { messages = 0, lastSequence = 0 } = (await copies.counts(eventStreamConfig.name)) ?? {};
  return { revisions, events: messages, lastEvent: lastSequence };
}

/** Returns whether a later state of the store has everything that an earlier one had, or something newer in its place. */
export const hasAll = (later: StoredRoll, earlier: StoredRoll): boolean =>
  later.events >= earlier.events &&
  later.lastEvent >= earlier.lastEvent &&
  [...earlier.revisions].every(([id, revision]) => (later.revisions.get(id) ?? 0) >= revision);
