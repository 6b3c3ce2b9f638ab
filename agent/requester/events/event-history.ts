// The event history says what was announced before this start, so that each change is announced exactly once.
import {
  conditionKinds,
  type EventKind,
  healthKinds,
  type MembershipKind,
  membershipKinds,
} from '../../protocol/events.ts';
import type { Health, RecordedChange } from '../../protocol/node-state.ts';
import { eventWildcard, parseEventSubject, watchSubject } from '../../protocol/subjects.ts';
import { BrokerError, type EventStream } from '../../transport/port.ts';
import type { AnnouncedMembership } from '../roll/stored-record.ts';
import type { AnnouncedMemberships } from './announced-memberships.ts';
import { type ChangeEvent, changeEvent } from './change-event.ts';
import { readConditionEvent } from './condition-event.ts';
import { LastEvents } from './last-events.ts';
import { MembershipHistory } from './membership-history.ts';
import { eventStreamConfig } from './stream-config.ts';
import { noisyKinds, oldestNoise } from './stream-room.ts';

/** The newest events of each node. */
export interface EventHistory {
  /** The sequence of the newest message when the reading began. */
  lastSequence: number;
  /** Returns whether the newest event of this kind of the node says the same. */
  wasAnnounced(node: string, event: ChangeEvent): boolean;
  /** Returns the newest revision of this incarnation of the store that an event names; 0 when there is none. */
  newestRevision(incarnation: string): number;
  /** The time of the oldest event that nodes cause, when older ones were removed from the stream. */
  noiseSince: Date | undefined;
  /** The membership of each node that was announced last. */
  memberships: AnnouncedMemberships;
  /** The newest event of each node. */
  last: LastEvents;
  /** The health that was announced last; UNKNOWN when none was announced since the node registered. */
  health(node: string): Health;
}

/**
 * Reads the newest event of each node and kind. `mark` is the sequence of the mark that the requester has just written, to
 * watch over the roll. @throws BrokerError, also when a server of a cluster answers that has not got the mark yet
 */
export async function readEventHistory(stream: EventStream, mark = 0): Promise<EventHistory> {
  const changes = new MembershipHistory();
  const { created, lastSequence, isTrimmed } = await stream.fill();
  const last = new LastEvents(created);
  let newestMark = 0;
  await stream.lastPerSubject([eventWildcard(), watchSubject], ({ subject, data, sequence }) => {
    if (subject === watchSubject) {
      newestMark = sequence;
      return;
    }
    const { node, kind } = parseEventSubject(subject);
    const known = countedKinds.get(kind);
    // The newest event comes last.
    const isOfCondition = conditionKinds.some(each => each === known);
    if (known) last.add(node, known, sequence, isOfCondition ? readConditionEvent(data) : undefined);
    const changeKind = changeKinds.get(kind);
    if (changeKind) changes.add(node, changeKind, data);
  });
  if (newestMark < mark)
    throw new BrokerError('timeout', 'the server that read the events does not have the newest ones yet');
  const oldest = isTrimmed ? await oldestNoise(stream) : undefined;
  if (isTrimmed) last.removedBefore(oldest?.sequence ?? lastSequence + 1);
  return {
    lastSequence,
    noiseSince: oldest?.time,
    last,
    wasAnnounced: (node, event) => changes.has(node, event),
    newestRevision: incarnation => changes.newestRevision(incarnation),
    memberships: changes.readMemberships(),
    health: node => last.health(node),
  };
}

/**
 * Returns the changes of a node that are not announced yet. `wasAnnounced` says whether an event of the node was announced.
 * Changes almost as old as the stream's age limit are left out, because the stream may have removed their events. So are
 * changes that nodes cause and that are older than `noiseSince`.
 */
export function unannouncedChanges(
  node: string,
  changes: RecordedChange[],
  wasAnnounced: (event: ChangeEvent) => boolean,
  now: Date,
  noiseSince?: Date,
): RecordedChange[] {
  const oldest = now.getTime() - eventStreamConfig.maxAgeMs + 24 * 3600 * 1000;
  const oldestOf = (kind: RecordedChange['Kind']) =>
    noisyKinds.some(noisy => noisy === kind) ? Math.max(oldest, (noiseSince?.getTime() ?? 0) - 1) : oldest;
  // An event that is of none of the changes may come from a lost store or from another program. It says nothing about these
  // changes, even if it has the id of one of them.
  const isAnnounced = changes.map(change => wasAnnounced(changeEvent(node, change)));
  const isCovered = ({ Kind, Kept }: RecordedChange, index: number) =>
    changes.some((later, at) => isAnnounced[at] && at >= index && (!Kept || later.Kind === Kind));
  return changes.filter(
    (change, index) => Date.parse(change.At) > oldestOf(change.Kind) && !isCovered(change, index),
  );
}

/**
 * Returns whether a change was made before the newest write of its node that was announced. Events are announced in order,
 * so this change was announced too. `incarnation` is the present one of the store. When files of the store were damaged, an
 * older record comes back with its changes, of which the newest events say nothing any more.
 */
export function isBefore(
  { Store, Revision, At, Kept }: RecordedChange,
  newest: AnnouncedMembership['write'] | undefined,
  incarnation: string,
): boolean {
  // An earlier version announced the changes after a kept one, and not the kept one itself.
  if (Kept || newest?.incarnation === undefined || Store === undefined) return false;
  if (Store === newest.incarnation) return Revision < newest.revision;
  return Store !== incarnation && Date.parse(At) < Date.parse(newest.at);
}

// Maps and not objects, because anybody may publish an event whose kind is a name such as `constructor`.
const countedKinds = new Map<string, EventKind>(
  [...membershipKinds, ...healthKinds, ...conditionKinds].map(kind => [kind, kind]),
);

const changeKinds = new Map<string, MembershipKind>(membershipKinds.map(kind => [kind, kind]));
