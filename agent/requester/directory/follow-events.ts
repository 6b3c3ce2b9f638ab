// Follows the event stream for an operator: the stored events, then new ones.
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
}

/** See `follow` in `Directory`. @throws MusterError `not_found` or `ambiguous`; BrokerError */
export async function followEvents(
  source: EventSource,
  { node, since }: EventWish,
  onEvent: (event: Uint8Array) => void | Promise<void>,
): Promise<{ ready: Promise<void>; stop(): void }> {
  const filter = eventWildcard(node === undefined ? undefined : await resolveEventsNode(source, node));
  return await source.stream.follow({ filter, since }, message => onEvent(message.data));
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
    throw notFound(name, 'it is not on the roll, and no event of it is stored');
  }
}
