// A message of a stream as it came from the broker, and its place in the stream.
import type { Msg, MsgHdrs } from 'nats';
import { areExpectations } from './expectations.ts';
import { headersOf } from './nats-internals.ts';

export interface StoredMessage {
  subject: string;
  data: Uint8Array;
  /** Undefined when there are none, and may be when they only named to the broker what to expect, such as a revision. */
  headers: MsgHdrs | undefined;
  sequence: number;
  time: Date;
}

/** A stored message. Its headers and its time are read when somebody asks for them, because most readers do not. */
export class ReceivedMessage implements StoredMessage {
  readonly #message: Msg;
  readonly data: Uint8Array;
  readonly sequence: number;
  readonly #timeMs: number;

  constructor(message: Msg, data: Uint8Array, { sequence, timeMs }: { sequence: number; timeMs: number }) {
    this.#message = message;
    this.data = data;
    this.sequence = sequence;
    this.#timeMs = timeMs;
  }

  get subject(): string {
    return this.#message.subject;
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

/**
 * Reads the position of a message in its stream from the reply subject (`$JS.ACK…`, with a domain since NATS 2.10);
 * undefined for another subject. The time is in milliseconds since 1970.
 */
export function parsePosition(
  reply: string,
): { sequence: number; order: number; timeMs: number; pending: number } | undefined {
  // This is done for each message of a stream, so it makes no texts and no lists on its way.
  let dots = 0;
  let [withoutDomain, withDomain] = [0, 0];
  for (let at = reply.indexOf('.'); at >= 0; at = reply.indexOf('.', at + 1)) {
    dots++;
    if (dots === 5) withoutDomain = at + 1;
    if (dots === 7) withDomain = at + 1;
  }
  if (dots < 8) return undefined;
  const sequenceAt = dots === 8 ? withoutDomain : withDomain;
  const orderAt = afterDot(reply, sequenceAt);
  const timeAt = afterDot(reply, orderAt);
  const pendingAt = afterDot(reply, timeAt);
  const position = {
    sequence: readDigits(reply, sequenceAt, orderAt - 1),
    order: readDigits(reply, orderAt, timeAt - 1),
    // The time is in nanoseconds, which are too many for a number.
    timeMs: readDigits(reply, timeAt, pendingAt - 7),
    pending: readDigits(reply, pendingAt, afterDot(reply, pendingAt) - 1),
  };
  // One test finds whatever is not a number, because every sum with it is not a number either.
  const sum = position.sequence + position.order + position.pending + position.timeMs;
  return Number.isNaN(sum) ? undefined : position;
}

/** Returns where the next field of a subject begins; behind the last one, as if there were one more dot. */
function afterDot(reply: string, at: number): number {
  const dot = reply.indexOf('.', at);
  return (dot < 0 ? reply.length : dot) + 1;
}

/** Returns the number whose digits are at these places of a text; NaN when there is none. */
function readDigits(text: string, start: number, end: number): number {
  let number = start < end ? 0 : Number.NaN;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 48;
    number = digit >= 0 && digit <= 9 ? number * 10 + digit : Number.NaN;
  }
  return number;
}
