// Reads the greeting of a broker, which is the first line that it sends: what it is, and whether it offers or demands TLS.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { ConnectFailure, type ServerGreeting } from './failure.ts';

/** Size of the longest greeting, in bytes. A cluster's list of addresses makes a greeting a few KiB long. */
const maxGreetingBytes = 65_536;

interface Greeting {
  max_payload: unknown;
  version: string;
  tls_required?: boolean;
  tls_available?: boolean;
  tls_verify?: boolean;
  server_id?: unknown;
  client_id?: unknown;
  nonce?: unknown;
}

/** Returns what the rest of the program needs of a greeting. */
export const greetingOf = ({ server_id, client_id, nonce }: Greeting): ServerGreeting => ({
  server: String(server_id),
  connection: Number(client_id),
  hasNonce: typeof nonce === 'string' && nonce !== '',
});

/**
 * Reads the broker's first line and pauses the socket. `rest` is the data after the line. @throws ConnectFailure `protocol` when
 * what answers is no broker; any error of the socket
 */
export async function readGreeting(
  socket: Socket,
  label: string,
): Promise<{ line: Buffer; rest: Buffer; info: Greeting }> {
  const notNats = () =>
    new ConnectFailure('protocol', `what answers at ${label} is not a NATS server: check nats.servers`);
  let text: Buffer = Buffer.alloc(0);
  const lineRead = Promise.withResolvers<void>();
  const read = (chunk: Buffer) => {
    text = Buffer.concat([text, chunk]);
    if (text.includes('\r\n')) lineRead.resolve();
    else if (text.length > maxGreetingBytes || !isInfo(text)) lineRead.reject(notNats());
    else return;
    socket.pause();
    socket.off('data', read);
  };
  socket.on('data', read);
  await Promise.race([lineRead.promise, rejectWhenClosed(socket)]);
  const end = text.indexOf('\r\n') + 2;
  const info = isInfo(text) ? parseGreeting(text.subarray(5, end).toString('utf8')) : undefined;
  if (!info) throw notNats();
  return { line: text.subarray(0, end), rest: text.subarray(end), info };
}

/** Rejects when the other side closes the socket, which says nothing else to whoever waits for an answer. */
export async function rejectWhenClosed(socket: Socket): Promise<never> {
  await once(socket, 'close');
  throw Object.assign(new Error('closed by the other side'), { code: 'ECONNRESET' });
}

const isInfo = (text: Buffer) => 'INFO '.startsWith(text.subarray(0, 5).toString('latin1').toUpperCase());

function parseGreeting(json: string): Greeting | undefined {
  try {
    const info: unknown = JSON.parse(json);
    if (typeof info !== 'object' || info === null || !('max_payload' in info)) return undefined;
    // The client stops reading when it cannot parse the version.
    const { version } = info as { version?: unknown };
    if (typeof version !== 'string' || !/^v?\d+\.\d+\.\d+/.test(version)) return undefined;
    return { ...info, version };
  } catch {
    return undefined;
  }
}
