// Follows the event stream for an operator: the stored events, then new ones.
import { type EventCursor, eventCursor, streamLife } from '../../protocol/event-cursor.ts';
import { eventWildcard } from '../../protocol/subjects.ts';
import { MusterError } from '../../system/errors.ts';
import type { EventStream } from '../../transport/port.ts';
import { notFound } from '../roll/decisions.ts';
import type { Roll } from '../roll/roll.ts';

/** What is read: the roll to know which node is meant, and the stream. */
export interface EventSource {
  roll: Pick<Roll, 'records'>;
  stream: EventStream;
}

export interface EventWish {
  /** The id of the only node whose events are wanted, or a beginning of it. */
  node?: string | undefined;
  /** The time of the oldest event. */
  since?: Date | undefined;
  /** The cursor of the last event that the reader has. */
  after?: EventCursor | undefined;
}

/** See `follow` in `Directory`. @throws MusterError `not_found`, `ambiguous` or `gone`; BrokerError */
export async function followEvents(
  source: EventSource,
  { node, since, after }: EventWish,
  onEvent: (event: Uint8Array, cursor: string) => void | Promise<void>,
): Promise<{ ready: Promise<void>; stop(): void }> {
  const filter = eventWildcard(node === undefined ? undefined : await resolveEventsNode(source, node));
  if (after) await refuseGap(source.stream, after);
  return await source.stream.follow({ filter, since, after: after?.sequence }, (message, created) =>
    onEvent(message.data, eventCursor(created, message.sequence)),
  );
}

/** Throws MusterError `gone` when events after the cursor are not kept any more, so that nobody misses them unknowingly. */
async function refuseGap(stream: EventStream, { life, sequence }: EventCursor): Promise<void> {
  const { created } = await stream.fill();
  const removed = life === streamLife(created) ? await stream.removedAfter(sequence) : -1;
  if (removed === 0) return;
  const what =
    removed > 0
      ? `${removed} ${removed === 1 ? 'event' : 'events'} after this cursor`
      : 'the event stream of this cursor';
  throw new MusterError('gone', `${what} ${removed > 1 ? 'are' : 'is'} not kept any more`, {
    hint: 'look at what the nodes are now (muster node list), then read without the cursor, from a time of your choice',
  });
}

/**
 * Returns the id of the node whose events `name` means: a node on the roll or a deleted one with this id, otherwise one
 * with stored events under this id, otherwise the only node on the roll whose id begins so.
 */
async function resolveEventsNode({ roll, stream }: EventSource, name: string): Promise<string> {
  if (roll.records.stored(name).kind !== 'absent') return name;
  let hasEvents = false;
  await stream.lastPerSubject([eventWildcard(name)], () => {
    hasEvents = true;
  });
  if (hasEvents) return name;
  try {
    return roll.records.resolve(name);
  } catch (error) {
    if (!(error instanceof MusterError) || error.code !== 'not_found') throw error;
    throw notFound(
      `${name} is not on the roll, and no event of it is kept`,
      'the nodes that are there: muster node list; those that are gone: muster node list --deleted',
    );
  }
}
