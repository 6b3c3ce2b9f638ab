// Exports the parts of the `nats` package that the package does not export. Only this file imports them.
//
// muster opens its own socket to a broker (see socket.ts), and a client of `nats` accepts one only through its transport
// factory. The package's own `connect` sets a factory for its own socket, which cannot be replaced. The path below may
// change with any release, so a test compares the version in package.json with the version for which this file was written.
import type { Msg, MsgHdrs } from 'nats';
import { Kind, Parser, State } from 'nats/lib/nats-base-client/internal_mod.js';
import type { MsgArg } from 'nats/lib/nats-base-client/parser.js';
import { RequestOne } from 'nats/lib/nats-base-client/request.js';
import { MessageLine, readMessages } from './message-reader.ts';

export {
  NatsConnectionImpl,
  setTransportFactory,
  type Transport,
} from 'nats/lib/nats-base-client/internal_mod.js';

// The client makes an error with its stack for each request, also for one that was answered, and throws it away. For an answer,
// only the rest of that is done.
const { resolver } = RequestOne.prototype;
RequestOne.prototype.resolver = function (error, message): void {
  if (error) {
    resolver.call(this, error, message);
    return;
  }
  this.timer.cancel();
  this.deferred.resolve(message);
  this.mux.cancel(this);
};

/** Returns headers for a message that is sent. The client only asks them for their bytes. */
export const headersOfBytes = (bytes: Uint8Array): MsgHdrs => ({ encode: () => bytes }) as unknown as MsgHdrs;

// A message that is not whole in a chunk, and whatever is no message, is left to the client, which keeps what it has read of it.
const { parse } = Parser.prototype;
Parser.prototype.parse = function (bytes): void {
  const chunk = bufferOf(bytes);
  const onMessage = (msg: MessageLine, data: Uint8Array) =>
    this.dispatcher.push({ kind: Kind.MSG, msg, data });
  for (let at = 0; at < chunk.length; ) {
    if (this.state === State.OP_START) at = readMessages(chunk, at, onMessage);
    const end = at + lengthOfRest(this, chunk, at);
    if (end > at) parse.call(this, chunk.subarray(at, end));
    at = end;
  }
};

/** Returns how much of a chunk the client has to read until it may be where the next message begins. */
function lengthOfRest({ state, ma, msgBuf }: Parser, chunk: Uint8Array, at: number): number {
  const left = chunk.length - at;
  if (state === State.MSG_PAYLOAD) return Math.min(left, ma.size - (msgBuf?.length ?? 0) + crlfBytes);
  const lineEnd = chunk.indexOf(lf, at);
  return lineEnd < 0 ? left : lineEnd + 1 - at;
}

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const lf = 10;
const crlfBytes = 2;

/** The members of a message of the client that hold its bytes. */
interface RawMessage {
  /** The headers and, behind them, the data. */
  _rdata?: Uint8Array;
  _msg?: MsgArg;
}

/** Returns the line before a message; undefined when the client has read it itself. */
export function lineOf(message: Msg): MessageLine | undefined {
  const { _msg: line } = message as RawMessage;
  return line instanceof MessageLine ? line : undefined;
}

/** Returns whether a message has no data, without a view of it. */
export function isEmpty(message: Msg): boolean {
  const { _rdata: bytes, _msg: line } = message as RawMessage;
  return bytes && line ? bytes.length <= Math.max(line.hdr, 0) : message.data.length === 0;
}

/** Returns the bytes of a message's subject, of which the client makes a text when somebody asks for it. */
export const subjectBytesOf = (message: Msg): Uint8Array =>
  (message as RawMessage)._msg?.subject ?? Buffer.from(message.subject);

/** Returns where the headers of a message are, before anybody reads them; undefined when it has none. */
export function headersOf(message: Msg): { bytes: Uint8Array; length: number } | undefined {
  const { _rdata: bytes, _msg: { hdr: length = -1 } = {} } = message as RawMessage;
  return bytes && length > 0 ? { bytes, length } : undefined;
}
