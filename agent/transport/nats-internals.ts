// Exports the parts of the `nats` package that the package does not export. Only this file imports them.
//
// muster opens its own socket to a broker (see socket.ts), and a client of `nats` accepts one only through its transport
// factory. The package's own `connect` sets a factory for its own socket, which cannot be replaced. The path below may
// change with any release, so a test compares the version in package.json with the version for which this file was written.
import type { Msg, MsgHdrs } from 'nats';
import { Parser } from 'nats/lib/nats-base-client/internal_mod.js';
import { RequestOne } from 'nats/lib/nats-base-client/request.js';
import { readMessageLine } from './message-line.ts';

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

// A line in any other form, and a wrong one, is left to the client.
const { processMsgArgs } = Parser.prototype;
Parser.prototype.processMsgArgs = function (line): void {
  if (!readMessageLine(this.ma, line, this.hdr >= 0)) processMsgArgs.call(this, line);
};

/** The members of a message of the client that hold its bytes. */
interface RawMessage {
  /** The headers and, behind them, the data. */
  _rdata?: Uint8Array;
  /** The length of the headers; -1 when there are none. */
  _msg?: { hdr?: number; subject?: Uint8Array };
}

/** Returns the bytes of a message's subject, of which the client makes a text when somebody asks for it. */
export const subjectBytesOf = (message: Msg): Uint8Array =>
  (message as RawMessage)._msg?.subject ?? Buffer.from(message.subject);

/** Returns where the headers of a message are, before anybody reads them; undefined when it has none. */
export function headersOf(message: Msg): { bytes: Uint8Array; length: number } | undefined {
  const { _rdata: bytes, _msg: { hdr: length = -1 } = {} } = message as RawMessage;
  return bytes && length > 0 ? { bytes, length } : undefined;
}
