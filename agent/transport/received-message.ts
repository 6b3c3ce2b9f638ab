// A message of a stream as it came from the broker, and its place in the stream.
import type { Msg, MsgHdrs } from 'nats';
import { headersOf } from './nats-internals.ts';

export interface StoredMessage {
  subject: string;
  data: Uint8Array;
  /** Undefined when there are none, and may be when they only named to the broker what to expect, such as a revision. */
  headers: MsgHdrs | undefined;
  sequence: number;
  time: Date;
}

/** A stored message. Its headers are read when somebody asks for them, because most readers do not. */
export class ReceivedMessage implements StoredMessage {
  readonly #message: Msg;
  readonly data: Uint8Array;
  readonly sequence: number;
  readonly time: Date;

  constructor(message: Msg, data: Uint8Array, { sequence, time }: { sequence: number; time: Date }) {
    this.#message = message;
    this.data = data;
    this.sequence = sequence;
    this.time = time;
  }

  get subject(): string {
    return this.#message.subject;
  }

  get headers(): MsgHdrs | undefined {
    return namesOnlyExpectations(this.#message) ? undefined : this.#message.headers;
  }
}

/** Each record of a bucket is written with them. The broker has checked them, and nobody needs them again. */
const onlyExpectations = /^NATS\/1\.0\r\n(?:Nats-Expected-[A-Za-z-]+: [\w.-]*\r\n)+\r\n$/;

/** Returns whether the headers of a message say only this. To read them would take longer than all the rest of the message. */
function namesOnlyExpectations(message: Msg): boolean {
  const { bytes, length } = headersOf(message) ?? {};
  if (!bytes) return false;
  return onlyExpectations.test(Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1'));
}

/**
 * Reads the position of a message in its stream from the reply subject (`$JS.ACK…`, with a domain since NATS 2.10);
 * undefined for another subject.
 */
export function parsePosition(
  reply: string,
): { sequence: number; order: number; time: Date; pending: number } | undefined {
  // This is done for each message. To split the text would take four times as long.
  const dots: number[] = [];
  for (let at = reply.indexOf('.'); at >= 0; at = reply.indexOf('.', at + 1)) dots.push(at);
  if (dots.length < 8) return undefined;
  const first = dots.length === 8 ? 5 : 7;
  const field = (index: number, without = 0) =>
    Number(reply.slice((dots[index - 1] ?? 0) + 1, (dots[index] ?? reply.length) - without));
  // The time is in nanoseconds, which are too many for a number, and slow to read.
  const time = new Date(field(first + 2, 6));
  const position = { sequence: field(first), order: field(first + 1), time, pending: field(first + 3) };
  // One test finds whatever is not a number, because every sum with it is not a number either.
  const sum = position.sequence + position.order + position.pending + time.getTime();
  return Number.isNaN(sum) ? undefined : position;
}
