// The event history says what was announced before this start, so that each change is announced exactly once.
import * as v from 'valibot';
import { type EventData, membershipKinds, parseRevisionEventId } from '../../protocol/events.ts';
import { parseJson } from '../../protocol/json.ts';
import type { Health, RecordedChange } from '../../protocol/node-state.ts';
import { eventWildcard } from '../../protocol/subjects.ts';
import type { EventStream } from '../../transport/port.ts';
import type { AnnouncedMembership } from '../roll/stored-record.ts';
import { AnnouncedMemberships, type MembershipEvent } from './announced-memberships.ts';
import { changeEvent, digestOf } from './change-event.ts';
import { eventStreamConfig } from './stream-config.ts';
import { noisyKinds, oldestNoise } from './stream-room.ts';

/** The newest events of each node. */
export interface EventHistory {
  /**
   * Returns the digests of the newest membership event of each kind. All changes of a record up to the newest of these
   * were announced.
   */
  announced(node: string): readonly string[];
  /** Returns the newest revision of this incarnation of the store that an event names; 0 when there is none. */
  newestRevision(incarnation: string): number;
  /** The time of the oldest event that nodes cause, when older ones were removed from the stream. */
  noiseSince: Date | undefined;
  /** The membership of each node that was announced last. */
  memberships: AnnouncedMemberships;
  /** The health that was announced last; UNKNOWN when none was announced since the node registered. */
  health(node: string): Health;
}

interface NodeHistory {
  announced: string[];
  health: Health;
}

/**
 * Reads the newest event of each node and kind.
 * @throws BrokerError
 */
export async function readEventHistory(stream: EventStream): Promise<EventHistory> {
  const nodes = new Map<string, NodeHistory>();
  const revisions = new Map<string, number>();
  const memberships = new AnnouncedMemberships();
  await stream.lastPerSubject(eventWildcard(), message => {
    const [, , node, kind] = message.subject.split('.');
    if (!node || !kind) return;
    const known = nodes.get(node);
    const history = known ?? { announced: [], health: 'UNKNOWN' };
    if (!known) nodes.set(node, history);
    // The newest event comes last.
    history.health = healthAfter.get(kind) ?? history.health;
    const event = readChangeEvent(node, kind, message.data);
    if (!event) return;
    history.announced.push(event.digest);
    memberships.add(node, event);
    const { incarnation, revision } = event;
    if (incarnation && (revisions.get(incarnation) ?? 0) < revision) revisions.set(incarnation, revision);
  });
  const { isTrimmed } = await stream.fill();
  const noiseSince = isTrimmed ? (await oldestNoise(stream))?.time : undefined;
  return {
    noiseSince,
    announced: node => nodes.get(node)?.announced ?? [],
    newestRevision: incarnation => revisions.get(incarnation) ?? 0,
    memberships,
    health: node => nodes.get(node)?.health ?? 'UNKNOWN',
  };
}

/**
 * Returns the changes of a node that are not announced yet. `announced` has the digests of the events that were announced.
 * Changes almost as old as the stream's age limit are left out, because the stream may have removed their events. So are
 * changes that nodes cause and that are older than `noiseSince`.
 */
export function unannouncedChanges(
  node: string,
  changes: RecordedChange[],
  announced: readonly string[],
  now: Date,
  noiseSince?: Date,
): RecordedChange[] {
  const oldest = now.getTime() - eventStreamConfig.maxAgeMs + 24 * 3600 * 1000;
  const oldestOf = (kind: RecordedChange['Kind']) =>
    noisyKinds.some(noisy => noisy === kind) ? Math.max(oldest, (noiseSince?.getTime() ?? 0) - 1) : oldest;
  // An event that is of none of the changes may come from a lost store or from another program. It says nothing about these
  // changes, even if it has the id of one of them.
  const isAnnounced = changes.map(change => announced.includes(digestOf(changeEvent(node, change))));
  const wasAnnounced = ({ Kind, Kept }: RecordedChange, index: number) =>
    changes.some((later, at) => isAnnounced[at] && at >= index && (!Kept || later.Kind === Kind));
  return changes.filter(
    (change, index) => Date.parse(change.At) > oldestOf(change.Kind) && !wasAnnounced(change, index),
  );
}

/**
 * Returns whether a change was made before the newest write of its node that was announced. Events are announced in order,
 * so this change was announced too. `incarnation` is the present one of the store. When files of the store were damaged, an
 * older record comes back with its changes, of which the newest events say nothing any more.
 */
export function isBefore(
  { Store, Revision, At }: RecordedChange,
  newest: AnnouncedMembership['write'] | undefined,
  incarnation: string,
): boolean {
  if (newest?.incarnation === undefined || Store === undefined) return false;
  if (Store === newest.incarnation) return Revision < newest.revision;
  return Store !== incarnation && Date.parse(At) < Date.parse(newest.at);
}

// A Map and not an object, because anybody may publish an event whose kind is a name such as `constructor`.
const healthAfter: ReadonlyMap<string, Health> = new Map([
  ['healthy', 'HEALTHY'],
  ['unhealthy', 'UNHEALTHY'],
  ['unknown', 'UNKNOWN'],
  ['left', 'UNKNOWN'],
  // A node that registers again under this id starts without the health of the earlier node.
  ['registered', 'UNKNOWN'],
  ['deleted', 'UNKNOWN'],
  ['expired', 'UNKNOWN'],
]);

const eventSchema = v.object({
  id: v.pipe(v.string(), v.maxLength(512)),
  source: v.optional(v.pipe(v.string(), v.maxLength(512)), ''),
  time: v.string(),
  data: v.custom<EventData>(value => typeof value === 'object' && value !== null),
});

function readChangeEvent(
  node: string,
  kindName: string,
  data: Uint8Array,
): (MembershipEvent & { digest: string }) | undefined {
  const kind = membershipKinds.find(known => known === kindName);
  if (!kind) return undefined;
  try {
    const event = { kind, ...v.parse(eventSchema, parseJson(data)) };
    const parsed = parseRevisionEventId(event.id);
    return parsed?.node === node ? { ...event, ...parsed, digest: digestOf(event) } : undefined;
  } catch {
    // Anybody who may publish on the broker may publish something that is no membership event.
    return undefined;
  }
}
