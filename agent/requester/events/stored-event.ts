// Finds the event of a change in the stream also when another event of its kind came after it. On a NATS of one's own
// somebody may have forged that one, and at its start the requester sees only the newest of each kind.
import { eventSubject } from '../../protocol/subjects.ts';
import type { EventStream } from '../../transport/port.ts';
import { type ChangeEvent, isSameEvent } from './change-event.ts';
import { readMembershipEvent } from './membership-event.ts';

/** The clocks of two machines may differ by this much, in milliseconds: that of the broker, and any other one. */
export const clockDoubtMs = 25 * 3600 * 1000;
/** Number of events that are read, so that a flood of forged ones delays nothing for long. */
const maxRead = 10_000;

/** Returns whether the stream has the event. Throws BrokerError. */
export async function isStored(
  stream: Pick<EventStream, 'follow'>,
  node: string,
  event: ChangeEvent,
): Promise<boolean> {
  let left = maxRead;
  let isFound = false;
  const options = {
    filter: eventSubject(node, event.kind),
    since: new Date(Math.max(0, Date.parse(event.time) - clockDoubtMs)),
  };
  const feed = await stream.follow(options, ({ data }) => {
    if (isFound || left-- <= 0) return;
    const read = readMembershipEvent(node, event.kind, data);
    isFound = read !== undefined && isSameEvent(event, read);
  });
  try {
    await feed.ready;
  } finally {
    feed.stop();
  }
  return isFound;
}
