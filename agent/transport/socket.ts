// The client's way to the broker: TCP, the broker's greeting, TLS. The client's own one leaks the socket of an attempt
// that ran out of time, checks the certificate of an IP address against "localhost", and does not say how far it came.
import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import {
  connect as connectTls,
  type SecureContextOptions,
  type ConnectionOptions as TlsOptions,
} from 'node:tls';
import type { ConnectionOptions } from 'nats';
import type { Transport } from 'nats/lib/nats-base-client/internal_mod.js';
import { type Attempt, ConnectFailure } from './failure.ts';

/** What rides along in the client's options to reach the transport that the client makes. */
export interface DialOptions extends ConnectionOptions {
  attempt: Attempt;
  /** Undefined: TLS only if the broker demands it. */
  secure: SecureContextOptions | undefined;
  /** Ends the attempt. */
  signal: AbortSignal;
}

/** Greetings are short; a cluster's list of addresses makes them some KiB. */
const greetingLimit = 65_536;

export class SocketTransport implements Transport {
  readonly lang = 'node';
  readonly version = process.versions.node;
  isClosed = false;
  closeError?: Error;
  #socket: Socket | undefined;
  #attempt: Attempt | undefined;
  #encrypted = false;
  #inUse = false;
  #chunks: Uint8Array[] = [];
  #arrival = Promise.withResolvers<void>();
  readonly #finished = Promise.withResolvers<void>();
  readonly #lost = Promise.withResolvers<Error | undefined>();

  async connect(_server: unknown, options: ConnectionOptions): Promise<void> {
    const { attempt, secure, signal } = options as DialOptions;
    this.#attempt = attempt;
    signal.throwIfAborted();
    const abort = () => this.#finish(new Error('closing'));
    signal.addEventListener('abort', abort);
    void this.#finished.promise.then(() => signal.removeEventListener('abort', abort));
    const socket = this.#hold(connectTcp({ host: attempt.host, port: attempt.port, noDelay: true }));
    await once(socket, 'connect');
    if (attempt.handshakeFirst) await this.#encrypt(socket, attempt, secure);
    attempt.stage = 'greeting';
    const { line, rest, info } = await readGreeting(this.#socket ?? socket, attempt.label);
    attempt.version = info.version;
    if (!attempt.handshakeFirst && (secure || info.tls_required)) {
      if (!info.tls_required && !info.tls_available)
        throw new ConnectFailure(
          'tls',
          `the broker at ${attempt.label} does not offer TLS, and nats.servers or nats.tls asks for it`,
        );
      if (info.tls_verify && !secure?.cert)
        throw new ConnectFailure(
          'tls',
          `the broker at ${attempt.label} wants a client certificate: set nats.tls.certFile and nats.tls.keyFile`,
        );
      await this.#encrypt(socket, attempt, secure);
      attempt.stage = 'authenticating';
      // What came after the greeting before TLS is nobody's word.
      return this.#use(line);
    }
    attempt.stage = 'authenticating';
    this.#use(line, rest);
  }

  isEncrypted(): boolean {
    return this.#encrypted;
  }

  send(frame: Uint8Array): void {
    // A failed write shows as the socket's error or as pings without answer.
    if (!this.isClosed) this.#socket?.write(frame);
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    try {
      while (!this.isClosed || this.#chunks.length > 0) {
        if (this.#chunks.length === 0) await this.#arrival.promise;
        const chunks = this.#chunks;
        this.#chunks = [];
        this.#arrival = Promise.withResolvers();
        yield* chunks;
      }
    } finally {
      // The client stops reading when it cannot make sense of what it reads; it would notice the dead link only by pings.
      this.#finish(new Error('the broker broke the protocol'));
    }
  }

  async close(error?: Error): Promise<void> {
    this.#finish(error);
  }

  /** The client's pings went unanswered. */
  disconnect(): void {
    if (this.#attempt) this.#attempt.stage = 'silent';
    this.#finish(undefined);
  }

  closed(): Promise<Error | undefined> {
    return this.#lost.promise;
  }

  discard(): void {
    // Nothing is held back.
  }

  #hold<T extends Socket>(socket: T): T {
    this.#socket = socket;
    socket.on('error', error => this.#finish(error));
    if (this.isClosed) socket.destroy();
    return socket;
  }

  async #encrypt(socket: Socket, attempt: Attempt, secure: SecureContextOptions | undefined): Promise<void> {
    attempt.stage = 'tls';
    const options: TlsOptions = { ...secure, socket, host: attempt.host };
    if (!isIP(attempt.host)) options.servername = attempt.host;
    const encrypted = this.#hold(connectTls(options));
    await Promise.race([once(encrypted, 'secureConnect'), closedEarly(encrypted)]);
    this.#encrypted = true;
  }

  #use(...read: Buffer[]): void {
    const socket = this.#socket;
    if (!socket || this.isClosed) throw this.closeError ?? new Error('closed');
    this.#inUse = true;
    read.forEach(chunk => {
      this.#receive(chunk);
    });
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('close', () => this.#finish(undefined));
    socket.resume();
  }

  #receive(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#arrival.resolve();
  }

  #finish(error: Error | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (error) this.closeError = error;
    this.#socket?.destroy(error);
    this.#arrival.resolve();
    this.#finished.resolve();
    // The client would take the end of an attempt that it never got to use for the loss of a connection.
    if (this.#inUse) this.#lost.resolve(error);
  }
}

interface Greeting {
  max_payload: unknown;
  version: string;
  tls_required?: boolean;
  tls_available?: boolean;
  tls_verify?: boolean;
}

/** Reads the broker's first line, and leaves the socket paused behind it; `rest` is what came along with it. */
async function readGreeting(
  socket: Socket,
  label: string,
): Promise<{ line: Buffer; rest: Buffer; info: Greeting }> {
  const strange = () =>
    new ConnectFailure('protocol', `what answers at ${label} is not a NATS server: check nats.servers`);
  let text: Buffer = Buffer.alloc(0);
  const found = Promise.withResolvers<void>();
  const read = (chunk: Buffer) => {
    text = Buffer.concat([text, chunk]);
    if (text.includes('\r\n')) found.resolve();
    else if (text.length > greetingLimit || !looksRight(text)) found.reject(strange());
    else return;
    socket.pause();
    socket.off('data', read);
  };
  socket.on('data', read);
  await Promise.race([found.promise, closedEarly(socket)]);
  const end = text.indexOf('\r\n') + 2;
  const info = looksRight(text) ? parseGreeting(text.subarray(5, end).toString('utf8')) : undefined;
  if (!info) throw strange();
  return { line: text.subarray(0, end), rest: text.subarray(end), info };
}

const looksRight = (text: Buffer) => 'INFO '.startsWith(text.subarray(0, 5).toString('latin1').toUpperCase());

function parseGreeting(json: string): Greeting | undefined {
  try {
    const info: unknown = JSON.parse(json);
    if (typeof info !== 'object' || info === null || !('max_payload' in info)) return undefined;
    // The client stops reading at a version that it cannot take apart.
    const { version } = info as { version?: unknown };
    if (typeof version !== 'string' || !/^v?\d+\.\d+\.\d+/.test(version)) return undefined;
    return { ...info, version };
  } catch {
    return undefined;
  }
}

async function closedEarly(socket: Socket): Promise<never> {
  await once(socket, 'close');
  throw Object.assign(new Error('closed by the other side'), { code: 'ECONNRESET' });
}
