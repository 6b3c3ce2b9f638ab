// What was known before this start: the events that were announced, and when nodes were last heard.
import type { RecordedChange } from '../protocol/node-state.ts';
import type { Clock } from '../system/clock.ts';
import type { Storage } from '../transport/port.ts';
import { type EventHistory, isBefore, readEventHistory, unannouncedChanges } from './events/event-history.ts';
import type { EventPublisher } from './events/event-publisher.ts';
import { eventStreamConfig } from './events/stream-config.ts';
import type { HealthWatch } from './health/health-watch.ts';
import { heardBefore } from './health/heard-before.ts';
import type { StoredLastSeen } from './health/last-seen-store.ts';
import type { OnLoaded } from './roll/current-records.ts';
import type { AnnouncedMembership, StoredRecord } from './roll/stored-record.ts';
import type { WaitingList } from './roll/waiting-list.ts';

export interface Past {
  history: EventHistory;
  lastSeen: StoredLastSeen;
  /** The incarnation of the store. */
  incarnation: string;
}

export interface CatchUpParts {
  clock: Clock;
  health: HealthWatch;
  events: EventPublisher;
  waiting: WaitingList;
}

/**
 * Returns a function that is called with each record that was in the store at the start. It announces the changes that
 * were not announced yet, and watches the node from the health that was announced last. It is a function of its own so
 * that the history can be freed when the roll is loaded.
 */
export function catchUp({ history, lastSeen, incarnation }: Past, parts: CatchUpParts): OnLoaded {
  const { clock, health, events, waiting } = parts;
  const now = clock.now();
  const announceDue = (id: string, changes: RecordedChange[]): RecordedChange[] => {
    const newest = history.memberships.nodes.get(id)?.write;
    const later = changes.filter(change => !isBefore(change, newest, incarnation));
    const due = unannouncedChanges(
      id,
      later,
      event => history.wasAnnounced(id, event),
      now,
      history.noiseSince,
    );
    for (const change of due) events.announceEarlierChange(id, change);
    return due;
  };
  return (id: string, stored: StoredRecord, changes: RecordedChange[]) => {
    const due = changes.length > 0 ? announceDue(id, changes) : changes;
    const isNew = due.some(({ Kind }) => Kind === 'registered');
    if (stored.kind === 'record' && stored.state.Info.NodeType === 'Compute') {
      const seenAt = isNew ? undefined : heardBefore(stored.state, now, lastSeen.times.get(id));
      health.add(id, isNew ? 'UNKNOWN' : history.health(id), seenAt);
      health.followRecord(id, stored.state);
      if (stored.state.Membership === 'PENDING') waiting.add(id, seenAt !== undefined);
    }
  };
}

/**
 * Returns a function that reads what was announced last of each node. The first time, `history` was just read. Later,
 * changes may stand in the store whose events the broker has not acknowledged.
 */
export function announcedReader(
  storage: Storage,
  history: EventHistory,
  events: EventPublisher,
): () => Promise<ReadonlyMap<string, AnnouncedMembership>> {
  let newest: EventHistory | undefined = history;
  return async () => {
    const { memberships } = newest ?? (await readEventHistory(await storage.stream(eventStreamConfig)));
    newest = undefined;
    events.addWaiting(memberships);
    return memberships.nodes;
  };
}
