// Opens the socket to the broker: TCP, the broker's greeting, TLS. The client's own code is not used for three reasons: it
// leaks the socket of an attempt that timed out, it checks the certificate of an IP address against "localhost", and it does
// not say how far an attempt came.
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import {
  connect as connectTls,
  type SecureContextOptions,
  type ConnectionOptions as TlsOptions,
} from 'node:tls';
import type { ConnectionOptions } from 'nats';
import { ipVersion } from '../system/ip-version.ts';
import { type Attempt, ConnectFailure, explainCertificate } from './failure.ts';
import { greetingOf, readGreeting, rejectWhenClosed } from './greeting.ts';
import type { TransportPace } from './link-pace.ts';
import type { Transport } from './nats-internals.ts';
import { findPinned, type PeerCertificates, readPeer } from './peer-certificate.ts';

/**
 * The client's options, and the data that the transport needs. The client passes its options to the transport that it
 * makes.
 */
export interface DialOptions extends ConnectionOptions {
  attempt: Attempt;
  /** The TLS files. When undefined, TLS is used only if the broker demands it. */
  secure: SecureContextOptions | undefined;
  /** Called with a CA in PEM that was found by its pin. */
  onCa: ((ca: string) => void) | undefined;
  /** Lets the client ping again, which it ends when its pings were not answered. */
  pingAgain(): void;
  /** Says when the link is read and written; by default as soon as what runs now has ended. */
  pace?: TransportPace | undefined;
  /** Ends the attempt, or the link. */
  signal: AbortSignal;
}

/** A socket that is paused reads on until it holds so many bytes; a first piece always counts as enough. */
const mostWhilePaused = 1;
/** How long a broker that answered no ping may take to send anything else, in milliseconds. */
const lastChanceMs = 100;

export class SocketTransport implements Transport {
  readonly lang = 'node';
  readonly version = process.versions.node;
  isClosed = false;
  closeError?: Error;
  #socket: Socket | undefined;
  #attempt: Attempt | undefined;
  #pingAgain: () => void = () => undefined;
  #pace: TransportPace | undefined;
  /** Frames that are written together, soon. */
  #frames: Uint8Array[] = [];
  /** Number of chunks that arrived. */
  #received = 0;
  #encrypted = false;
  #inUse = false;
  #chunks: Uint8Array[] = [];
  #arrival = Promise.withResolvers<void>();
  readonly #finished = Promise.withResolvers<void>();
  readonly #lost = Promise.withResolvers<Error | undefined>();

  async connect(_server: unknown, options: ConnectionOptions): Promise<void> {
    const { attempt, secure, onCa, pingAgain, pace, signal } = options as DialOptions;
    this.#attempt = attempt;
    this.#pace = pace;
    this.#pingAgain = pingAgain;
    signal.throwIfAborted();
    const abort = () => this.#finish(new Error('closing'));
    signal.addEventListener('abort', abort);
    void this.#finished.promise.then(() => signal.removeEventListener('abort', abort));
    const socket = await this.#open(attempt);
    if (attempt.handshakeFirst) await this.#encryptFirst(socket, attempt, secure, onCa);
    attempt.stage = 'greeting';
    const { line, rest, info } = await readGreeting(this.#socket ?? socket, attempt.label);
    attempt.version = info.version;
    attempt.onGreeting?.(greetingOf(info));
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
      requireTrust(await this.#encrypt(socket, attempt, secure), attempt);
      attempt.stage = 'authenticating';
      // Bytes between the greeting and TLS are dropped, because anybody may have sent them.
      return this.#startReading(line);
    }
    attempt.stage = 'authenticating';
    this.#startReading(line, rest);
  }

  isEncrypted(): boolean {
    return this.#encrypted;
  }

  send(frame: Uint8Array): void {
    if (this.isClosed) return;
    this.#pace?.writing.onFrame();
    // A write costs far more than a frame, and the answers to one piece of data come one after the other.
    if (this.#frames.push(frame) > 1) return;
    const write = () => this.#write();
    if (this.#pace) this.#pace.writing.plan(write);
    else process.nextTick(write);
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
      // The client stops reading when it cannot parse the data. Without this line only its pings would show the dead link.
      this.#finish(new Error('the broker broke the protocol'));
    }
  }

  async close(error?: Error): Promise<void> {
    this.#finish(error);
  }

  /**
   * The client calls this when its pings were not answered. A broker that sends more than this process can read is there all
   * the same: its answers to pings come after the rest. Without that link, all that waits in it would be lost, and more would
   * wait after the next one.
   */
  disconnect(): void {
    const before = this.#received;
    setTimeout(() => {
      if (this.isClosed) return;
      if (this.#received > before) return this.#pingAgain();
      if (this.#attempt) this.#attempt.stage = 'silent';
      this.#finish(undefined);
    }, lastChanceMs);
  }

  closed(): Promise<Error | undefined> {
    return this.#lost.promise;
  }

  discard(): void {
    // Nothing to do, because this transport has no buffer.
  }

  #useSocket<T extends Socket>(socket: T): T {
    this.#socket = socket;
    socket.on('error', error => this.#finish(error));
    if (this.isClosed) socket.destroy();
    return socket;
  }

  async #open({ host, port }: Attempt): Promise<Socket> {
    const options = { host, port, noDelay: true, readableHighWaterMark: mostWhilePaused };
    const socket = this.#useSocket(connectTcp(options));
    await once(socket, 'connect');
    if (this.#attempt) this.#attempt.localAddress = socket.localAddress;
    return socket;
  }

  /**
   * Begins TLS before the greeting. When the broker shows a CA whose pin is known and that is not trusted yet, it connects
   * a second time and trusts that CA, so that OpenSSL checks all of the chain.
   */
  async #encryptFirst(
    socket: Socket,
    attempt: Attempt,
    secure: SecureContextOptions | undefined,
    onCa: DialOptions['onCa'],
  ): Promise<void> {
    const peer = await this.#encrypt(socket, attempt, secure);
    const found = peer.fault === undefined ? undefined : findPinned(peer, attempt.pins);
    if (!found) return requireTrust(peer, attempt);
    this.#abandonSocket();
    const ca = found.toString();
    requireTrust(await this.#encrypt(await this.#open(attempt), attempt, { ...secure, ca: [ca] }), attempt);
    onCa?.(ca);
  }

  /** Makes the handshake. The caller must check what it returns before anything is sent. */
  async #encrypt(
    socket: Socket,
    attempt: Attempt,
    secure: SecureContextOptions | undefined,
  ): Promise<PeerCertificates> {
    attempt.stage = 'tls';
    const { serverName: host } = attempt;
    // Node compares the certificate with `servername`, or with `host` where that is an address. A chain that is not trusted
    // does not end the connection yet, because a message about it needs its certificates.
    const how = { ...secure, highWaterMark: mostWhilePaused };
    const options: TlsOptions = { ...how, socket, host, rejectUnauthorized: false };
    if (ipVersion(host) === 0) options.servername = host;
    const encrypted = this.#useSocket(connectTls(options));
    await Promise.race([once(encrypted, 'secureConnect'), rejectWhenClosed(encrypted)]);
    this.#encrypted = true;
    attempt.isEncrypted = true;
    return readPeer(encrypted);
  }

  /** Ends the present socket without ending the attempt. */
  #abandonSocket(): void {
    const socket = this.#socket;
    socket?.removeAllListeners('error');
    socket?.on('error', () => undefined);
    socket?.destroy();
    this.#socket = undefined;
  }

  #startReading(...read: Buffer[]): void {
    const socket = this.#socket;
    if (!socket || this.isClosed) throw this.closeError ?? new Error('closed');
    this.#inUse = true;
    read.forEach(chunk => {
      this.#receive(chunk);
    });
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
      this.#pace?.reading.onPiece(chunk.length, socket);
    });
    socket.on('close', () => this.#finish(undefined));
    socket.resume();
  }

  #receive(chunk: Uint8Array): void {
    this.#received++;
    this.#chunks.push(chunk);
    this.#arrival.resolve();
  }

  // A failed write becomes visible later, as an error of the socket or as unanswered pings.
  #write(): void {
    const frames = this.#frames;
    this.#frames = [];
    this.#socket?.cork();
    for (const frame of frames) this.#socket?.write(frame);
    this.#socket?.uncork();
  }

  #finish(error: Error | undefined): void {
    if (this.isClosed) return;
    this.#write();
    this.isClosed = true;
    if (error) this.closeError = error;
    this.#socket?.destroy(error);
    this.#arrival.resolve();
    this.#finished.resolve();
    // Before the client uses the socket, an error is a failed attempt. The client must not treat it as a lost connection.
    if (this.#inUse) this.#lost.resolve(error);
  }
}

/** Throws ConnectFailure `tls` when the broker is not the one that is meant. */
function requireTrust(peer: PeerCertificates, attempt: Attempt): void {
  if (peer.fault !== undefined) throw explainCertificate(peer.fault, peer, attempt);
}
