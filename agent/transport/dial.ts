// One attempt to connect to one broker: it succeeds, or fails with a sentence that says why.
import type { NatsConnection } from 'nats';
import { NatsConnectionImpl, setTransportFactory } from 'nats/lib/nats-base-client/internal_mod.js';
import { reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { type Credentials, readCredentials } from './credentials.ts';
import { type Attempt, explain } from './failure.ts';
import type { Server } from './server.ts';
import { type DialOptions, SocketTransport } from './socket.ts';
import { readTls, type TlsFiles } from './tls.ts';

export interface DialSettings {
  /** How the broker's own lists name this client. */
  name: string;
  credentials: Credentials;
  tls: TlsFiles | undefined;
  /** Milliseconds that one attempt may take. */
  timeout: number;
  /** Milliseconds between pings; a link that leaves two unanswered is lost at the third. */
  pingInterval: number;
}

setTransportFactory({ factory: () => new SocketTransport() });

export interface Dialled {
  link: NatsConnection;
  /** Resolves when the link ends, with a sentence that says why. */
  lost: Promise<string>;
}

/**
 * Connects to `server`, or gives up when `signal` aborts.
 * @throws ConnectFailure
 */
export async function dial(server: Server, settings: DialSettings, signal: AbortSignal): Promise<Dialled> {
  const { name, tls = {}, timeout, pingInterval } = settings;
  const attempt: Attempt = {
    label: server.label,
    host: server.host,
    port: server.port,
    stage: 'connecting',
    timeout,
    credentials: undefined,
    caFile: tls.caFile,
    certFile: tls.certFile,
    handshakeFirst: tls.handshakeFirst === true,
  };
  try {
    const proof = await readCredentials(settings.credentials);
    attempt.credentials = proof?.source;
    const wanted = server.tls || attempt.handshakeFirst || tls.caFile || tls.certFile || tls.keyFile;
    const options: DialOptions = {
      servers: [server.label],
      name,
      timeout,
      pingInterval,
      maxPingOut: 2,
      // Reconnecting is ours: the client's own gives up, closes for good on a second refusal, and tells no reasons.
      reconnect: false,
      ignoreClusterUpdates: true,
      // The system's resolver, with /etc/hosts, in place of the client's.
      resolve: false,
      noAsyncTraces: true,
      ...(proof ? { authenticator: proof.authenticator } : {}),
      attempt,
      secure: wanted ? await readTls(tls) : undefined,
      signal,
    };
    const link = await NatsConnectionImpl.connect(options);
    return { link, lost: link.closed().then(error => whyLost(attempt, error ?? undefined)) };
  } catch (error) {
    throw explain(error, attempt);
  }
}

function whyLost({ label, stage }: Attempt, error: Error | undefined): string {
  if (error) return `the connection to the broker at ${label} broke: ${printable(reasonOf(error), 200)}`;
  return `the broker at ${label} ${stage === 'silent' ? 'stopped answering' : 'closed the connection'}`;
}
