// Makes one attempt to connect to one broker. It succeeds, or fails with a sentence that gives the reason.
import type { NatsConnection } from 'nats';
import { errnoOf, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { type Credentials, type LoadedCredentials, readCredentials } from './credentials.ts';
import { type Attempt, explainFailure, type ServerGreeting } from './failure.ts';
import type { TransportPace } from './link-pace.ts';
import { NatsConnectionImpl, setTransportFactory } from './nats-internals.ts';
import type { Server } from './server.ts';
import { type DialOptions, SocketTransport } from './socket.ts';
import { readTls, type TlsFiles } from './tls.ts';

export interface DialSettings {
  /** The name of this client in the broker's lists of clients. */
  name: string;
  /** The beginning of the subjects on which answers come; `_INBOX` by default. */
  inboxPrefix?: string | undefined;
  credentials: Credentials;
  tls: TlsFiles | undefined;
  /** Time for the whole attempt, in milliseconds. */
  timeoutMs: number;
  /** Time between two pings, in milliseconds. */
  pingIntervalMs: number;
  /** Number of pings that may be unanswered; 2 by default. The link is lost when the next one is due. */
  maxUnansweredPings?: number;
  /** Says when the link is read and written; by default as soon as what runs now has ended. */
  pace?: TransportPace | undefined;
  /** Returns the wall time, for messages about the dates of a certificate. */
  now: () => Date;
  /** Called with what the server says of itself, before anything is shown to it. */
  onGreeting?: ((greeting: ServerGreeting) => void) | undefined;
}

setTransportFactory({ factory: () => new SocketTransport() });

export interface Dialled {
  link: NatsConnection;
  /** Resolves when the link ends. */
  lost: Promise<Loss>;
  /** Whether nobody in between can read what is sent. */
  isEncrypted: boolean;
  /** The address of this machine at its end of the link. */
  localAddress: string | undefined;
}

/** How a link was lost. */
export interface Loss {
  /** A sentence. */
  reason: string;
  /** Whether the other end closed the connection. It also does that when the requester ends it, to change its permissions. */
  isClosed: boolean;
}

/** Connects to `server`. It stops when `signal` aborts. @throws ConnectFailure */
export async function dial(server: Server, settings: DialSettings, signal: AbortSignal): Promise<Dialled> {
  const { name, inboxPrefix, tls = {}, timeoutMs, pingIntervalMs, maxUnansweredPings = 2 } = settings;
  const { pins = [], cas = [], serverName, onCa } = tls;
  const attempt: Attempt = {
    label: server.label,
    host: server.host,
    port: server.port,
    stage: 'connecting',
    timeoutMs,
    credentials: undefined,
    caFile: tls.caFile,
    certFile: tls.certFile,
    handshakeFirst: tls.handshakeFirst === true || pins.length > 0,
    serverName: serverName ?? server.host,
    pins,
    now: settings.now(),
    isEncrypted: false,
    onGreeting: settings.onGreeting,
  };
  let credentials: LoadedCredentials | undefined;
  let pings: { start(): void } | undefined;
  try {
    credentials = await readCredentials(settings.credentials);
    const wantsTls =
      server.tls || attempt.handshakeFirst || cas.length > 0 || tls.caFile || tls.certFile || tls.keyFile;
    const options: DialOptions = {
      servers: [server.label],
      name,
      ...(inboxPrefix ? { inboxPrefix } : {}),
      timeout: timeoutMs,
      pingInterval: pingIntervalMs,
      maxPingOut: maxUnansweredPings,
      // link.ts reconnects. The client's own reconnecting has limits: it ends for good when the broker refuses the login
      // twice, and gives no reasons.
      reconnect: false,
      ignoreClusterUpdates: true,
      // The operating system resolves host names, with /etc/hosts. The client does not.
      resolve: false,
      noAsyncTraces: true,
      ...(credentials ? { authenticator: credentials.authenticator } : {}),
      attempt,
      secure: wantsTls ? await readTls(tls) : undefined,
      onCa,
      pingAgain: () => pings?.start(),
      pace: settings.pace,
      signal,
    };
    const link = await NatsConnectionImpl.connect(options);
    const { protocol } = link as NatsConnectionImpl;
    pings = protocol.heartbeats;
    const lost = link.closed().then(error => lossOf(attempt, error ?? undefined, protocol.lastError));
    return { link, lost, isEncrypted: attempt.isEncrypted, localAddress: attempt.localAddress };
  } catch (error) {
    attempt.credentials = credentials?.source;
    throw explainFailure(error, attempt);
  }
}

/** `said` is the last error that the broker told. */
function lossOf({ label, stage }: Attempt, error: Error | undefined, said: Error | undefined): Loss {
  if (error) {
    // A server that ends a connection of which it has not read everything resets it.
    const isReset = /^(ECONNRESET|EPIPE)$/.test(errnoOf(error) ?? '');
    const why = isReset && said ? said : error;
    const reason = `the connection to the broker at ${label} broke: ${printable(reasonOf(why), 200)}`;
    return { reason, isClosed: why === error && isReset };
  }
  const isClosed = stage !== 'silent';
  return {
    reason: `the broker at ${label} ${isClosed ? 'closed the connection' : 'stopped answering'}`,
    isClosed,
  };
}
