// Reads the events of changes of membership. On a NATS of your own, others may have published them.
import * as v from 'valibot';
import { type EventData, type MembershipKind, parseRevisionEventId } from '../../protocol/events.ts';
import { parseJson } from '../../protocol/json.ts';

/** The event of a change of membership. */
export interface MembershipEvent {
  kind: MembershipKind;
  /** The write of the record, from the id of the event. */
  incarnation: string | undefined;
  revision: number;
  source: string;
  time: string;
  data: EventData;
}

const eventSchema = v.object({
  id: v.pipe(v.string(), v.maxLength(512)),
  source: v.optional(v.pipe(v.string(), v.maxLength(512)), ''),
  time: v.string(),
  data: v.custom<EventData>(value => typeof value === 'object' && value !== null),
});

/** Returns the event in a message about `node`; undefined when the message is not the event of a change. */
export function readMembershipEvent(
  node: string,
  kind: MembershipKind,
  bytes: Uint8Array,
): (MembershipEvent & { id: string }) | undefined {
  try {
    const event = { kind, ...v.parse(eventSchema, parseJson(bytes)) };
    const parsed = parseRevisionEventId(event.id);
    return parsed?.node === node ? { ...event, ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

/** The first characters of each event that muster publishes. The id follows. */
const beginning = '{"specversion":"1.0","id":"';
/** The longest id of a change: a node id, an incarnation and a revision. */
const maxIdLength = 128 + 1 + 16 + 1 + 16;

/**
 * Returns the id of the event that a block has between `start` and `end`; undefined when it does not begin as muster's
 * events do. It takes a tenth of the time that reading the whole event takes.
 */
export function readEventId(block: Buffer, start: number, end: number): string | undefined {
  const text = block.toString('latin1', start, Math.min(end, start + beginning.length + maxIdLength + 1));
  if (!text.startsWith(beginning)) return undefined;
  return text.slice(beginning.length, text.indexOf('"', beginning.length));
}
