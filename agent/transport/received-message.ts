// A message of a stream as it came from the broker, and its place in the stream.
import type { Msg, MsgHdrs } from 'nats';
import { areExpectations } from './expectations.ts';
import { headersOf, lineOf } from './nats-internals.ts';

export interface StoredMessage {
  subject: string;
  data: Uint8Array;
  /** Undefined when there are none, and may be when they only named to the broker what to expect, such as a revision. */
  headers: MsgHdrs | undefined;
  sequence: number;
  time: Date;
}

/** A stored message. All but its place is read when somebody asks for them, because most readers do not. */
export class ReceivedMessage implements StoredMessage {
  readonly #message: Msg;
  readonly sequence: number;
  readonly #timeMs: number;

  constructor(message: Msg, { sequence, timeMs }: Pick<Position, 'sequence' | 'timeMs'>) {
    this.#message = message;
    this.sequence = sequence;
    this.#timeMs = timeMs;
  }

  get data(): Uint8Array {
    return this.#message.data;
  }

  get subject(): string {
    const line = lineOf(this.#message);
    if (!line) return this.#message.subject;
    const { bytes, subjectAt, subjectEnd } = line;
    // A view of the bytes would take longer than the text.
    return bytes.toString('utf8', subjectAt, subjectEnd);
  }

  get time(): Date {
    return new Date(this.#timeMs);
  }

  get headers(): MsgHdrs | undefined {
    return namesOnlyExpectations(this.#message) ? undefined : this.#message.headers;
  }
}

/**
 * Returns whether the headers of a message only tell the broker what to expect, as those of each record of a bucket. It has
 * checked them, and nobody needs them again. To read them would take longer than all the rest of the message.
 */
function namesOnlyExpectations(message: Msg): boolean {
  const { bytes, length } = headersOf(message) ?? {};
  return bytes !== undefined && areExpectations(bytes, length ?? 0);
}

/** The place of a message in its stream, and in what a reader of the stream gets. The time is in milliseconds since 1970. */
export interface Position {
  sequence: number;
  order: number;
  timeMs: number;
  pending: number;
}

/** Returns the position of a message that came from a stream; undefined for another one. */
export function positionOf(message: Msg): Position | undefined {
  const line = lineOf(message);
  if (line) return parsePosition(line.bytes, line.replyAt, line.replyEnd);
  const reply = Buffer.from(message.reply ?? '');
  return parsePosition(reply, 0, reply.length);
}

/**
 * Reads the position of a message from its reply subject, which is at this place of the bytes (`$JS.ACK…`, with a domain since
 * NATS 2.10); undefined for another subject.
 */
export function parsePosition(bytes: Uint8Array, start: number, end: number): Position | undefined {
  // This is done for each message of a stream, so it makes no texts and no lists on its way.
  let dots = 0;
  let [withoutDomain, withDomain] = [0, 0];
  for (let at = start; at < end; at++) {
    if (bytes[at] !== dot) continue;
    dots++;
    if (dots === 5) withoutDomain = at + 1;
    if (dots === 7) withDomain = at + 1;
  }
  if (dots < 8) return undefined;
  const sequenceAt = dots === 8 ? withoutDomain : withDomain;
  const orderAt = afterDot(bytes, sequenceAt, end);
  const timeAt = afterDot(bytes, orderAt, end);
  const pendingAt = afterDot(bytes, timeAt, end);
  const position = {
    sequence: readDigits(bytes, sequenceAt, orderAt - 1),
    order: readDigits(bytes, orderAt, timeAt - 1),
    // The time is in nanoseconds, which are too many for a number.
    timeMs: readDigits(bytes, timeAt, pendingAt - 7),
    pending: readDigits(bytes, pendingAt, afterDot(bytes, pendingAt, end) - 1),
  };
  // One test finds whatever is not a number, because every sum with it is not a number either.
  const sum = position.sequence + position.order + position.pending + position.timeMs;
  return Number.isNaN(sum) ? undefined : position;
}

const dot = 46;

/** Returns where the next field of a subject begins; behind the last one, as if there were one more dot. */
function afterDot(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== dot) at++;
  return at + 1;
}

/** Returns the number whose digits are at these places; NaN when there is none. */
function readDigits(bytes: Uint8Array, start: number, end: number): number {
  let number = start < end ? 0 : Number.NaN;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - 48;
    number = digit >= 0 && digit <= 9 ? number * 10 + digit : Number.NaN;
  }
  return number;
}
