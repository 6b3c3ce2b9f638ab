// Finds the events of an operation in the event stream.
import type { RecordedChange } from '../../protocol/node-state.ts';
import { operationTime } from '../../protocol/operation.ts';
import { eventKindWildcard, parseEventSubject } from '../../protocol/subjects.ts';
import type { EventStream } from '../../transport/port.ts';
import { type MembershipEvent, readMembershipEvent } from '../events/membership-event.ts';
import { clockDoubtMs } from '../events/stored-event.ts';

/** An event of an operation, with its place in the stream. */
export interface OperationEvent extends MembershipEvent {
  id: string;
  node: string;
  sequence: number;
  /** The time at which the broker stored it. */
  storedAt: Date;
}

export interface OperationEvents {
  found: OperationEvent[];
  /** Whether there were more events than are read. */
  isCutShort: boolean;
}

/** The kinds of changes that operators make. */
const kinds = [
  'approved',
  'rejected',
  'deleted',
  'rekeyed',
  'cordoned',
  'uncordoned',
  'undeleted',
  'labelled',
  'renamed',
] as const satisfies RecordedChange['Kind'][];

/** Number of events of each kind that are read, and of those that are returned. */
const limits = { read: 200_000, found: 1_000 };

/**
 * Returns the events of an operation, the oldest first. On a NATS of your own, others may have published any of them. `now` is
 * the present time. @throws BrokerError
 */
export async function findOperationEvents(
  stream: Pick<EventStream, 'follow'>,
  operation: string,
  now: Date,
): Promise<OperationEvents> {
  const parts: OperationEvents[] = [];
  for (const kind of kinds) parts.push(await findOfKind(stream, operation, kind, now));
  const found = parts.flatMap(part => part.found).sort((a, b) => a.sequence - b.sequence);
  return {
    found: found.slice(0, limits.found),
    isCutShort: found.length > limits.found || parts.some(part => part.isCutShort),
  };
}

async function findOfKind(
  stream: Pick<EventStream, 'follow'>,
  operation: string,
  kind: (typeof kinds)[number],
  now: Date,
): Promise<OperationEvents> {
  const found: OperationEvent[] = [];
  const enough = Promise.withResolvers<void>();
  let left = limits.read;
  const options = { filter: eventKindWildcard(kind), since: readFrom(operation, now) };
  const feed = await stream.follow(options, ({ subject, data, sequence, time }) => {
    if (left-- <= 0 || found.length > limits.found) return enough.resolve();
    // Most events are of other operations, and need not be parsed.
    if (!Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(operation)) return;
    const { node } = parseEventSubject(subject);
    const event = readMembershipEvent(node, kind, data);
    if (event?.data.operation === operation) found.push({ ...event, node, sequence, storedAt: time });
  });
  try {
    await Promise.race([feed.ready, enough.promise]);
  } finally {
    feed.stop();
  }
  return { found, isCutShort: left < 0 };
}

/** Returns the time of the oldest event that may be of an operation; undefined when its id does not tell. */
function readFrom(operation: string, now: Date): Date | undefined {
  const madeAt = operationTime(operation).getTime();
  // A clock that is ahead says nothing about how long ago it was.
  return madeAt > now.getTime() ? undefined : new Date(Math.max(0, madeAt - clockDoubtMs));
}
