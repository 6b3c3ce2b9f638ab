// Starts and stops the HTTP server of the API, and limits what one connection may cost.
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { getRequestListener } from '@hono/node-server';
import { errnoOf, MusterError, reasonOf } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { isLoopback } from '../../system/loopback.ts';
import type { Directory } from '../directory/directory.ts';
import { limitConnections } from './connection-limits.ts';
import { EventStreams } from './event-streams.ts';
import { RollStreams } from './roll-streams.ts';
import { apiRoutes, type RoutesOptions } from './routes.ts';
import { boundUnanswered } from './unanswered-requests.ts';

export interface ApiOptions {
  directory: Directory;
  host: string;
  /** The port. The system chooses a free one for 0. */
  port: number;
  log: Log;
  /** Whether reads need no token. It counts on the loopback only. */
  openReads?: boolean;
  /** The certificate. Without it the API listens on the loopback only. */
  tls?: ApiTls | undefined;
  /** See EventStreamsOptions. */
  maxWaitingBytes?: number;
  maxStreams?: number;
  signOfLifeMs?: number;
  /** See RollStreamsOptions. */
  maxPages?: number;
  stopTimeoutMs?: number;
  wholeTimeoutMs?: number;
  rollIntervalMs?: number;
  /** See limitConnections. */
  readTimeoutMs?: number;
  /** See RoutesOptions. */
  clock?: RoutesOptions['clock'];
  config?: RoutesOptions['config'];
  readPage?: RoutesOptions['readPage'];
}

/** The certificate of the API. */
export interface ApiTls {
  /** The certificate and its chain, and its key, in PEM. */
  cert: string;
  key: string;
  /** Returns whether the certificate is for this host name or IP address. */
  isOwnName(name: string): boolean;
}

export interface Api {
  /** The address of the API, such as `http://127.0.0.1:1234`. */
  readonly url: string;
  readonly port: number;
  /** Accepts no more connections, ends the event streams, and gives running requests one second to finish. */
  stop(): Promise<void>;
}

/** Options of node:http, in milliseconds and bytes. They limit what a slow or malicious client can cost. */
const limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16_384,
};
const handshakeTimeout = 10_000;
const maxHeaders = 100;
const maxConnections = 1024;
const stopTimeoutMs = 1_000;

/**
 * Starts the server. @throws MusterError `bad_config` for an address beyond the loopback without a certificate, `in_use`
 * when the port is taken, `not_allowed` when this user may not use it.
 */
export async function startApi({
  directory,
  host,
  port,
  log,
  openReads = true,
  tls,
  readTimeoutMs,
  clock,
  config,
  readPage,
  ...more
}: ApiOptions): Promise<Api> {
  const isLocal = isLoopback(host);
  if (!isLocal && !tls) throw needsTls(host);
  const events = new EventStreams({ directory, log, ...more });
  const rolls = new RollStreams({ directory, log, ...more });
  const isOwnHost = (name: string) => isLoopback(name) || tls?.isOwnName(name) === true;
  const app = apiRoutes({
    directory,
    events,
    rolls,
    log,
    readTimeoutMs,
    isLocal,
    openReads: isLocal && openReads,
    isOwnHost,
    clock,
    config,
    readPage,
  });
  const listener = boundUnanswered(getRequestListener(app.fetch), log);
  const server = tls
    ? createTlsServer({ ...limits, cert: tls.cert, key: tls.key, handshakeTimeout }, listener)
    : createServer(limits, listener);
  server.maxHeadersCount = maxHeaders;
  server.maxConnections = maxConnections;
  limitConnections(server, log, readTimeoutMs);
  await listen(server, host, port);
  server.on('error', err => log.error({ err }, 'the HTTP API failed'));
  const address = server.address();
  const actual = typeof address === 'object' && address ? address.port : port;
  return {
    url: `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    port: actual,
    stop: () => stop(server, [events, rolls]),
  };
}

// The caller gives a certificate for such an address. This check is for callers that do not.
const needsTls = (host: string): MusterError =>
  new MusterError('bad_config', `api.host is ${host}, and beyond the loopback the API needs a certificate`);

async function listen(server: Server | TlsServer, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  try {
    server.listen({ host, port }, resolve);
    await promise;
  } catch (error) {
    throw listenError(error, host, port);
  } finally {
    server.off('error', reject);
  }
}

function listenError(cause: unknown, host: string, port: number): MusterError {
  switch (errnoOf(cause)) {
    case 'EADDRINUSE':
      return new MusterError('in_use', `port ${port} on ${host} is in use by another program (api.port)`, {
        hint: 'stop that program, or choose another port with api.port, MUSTER_API_PORT or --api-port',
        cause,
      });
    case 'EACCES':
      return new MusterError('not_allowed', `this user may not listen on port ${port} (api.port)`, {
        hint: 'choose a port above 1023 with api.port, MUSTER_API_PORT or --api-port',
        cause,
      });
    default:
      return new MusterError('failed', `cannot listen on ${host}, port ${port}: ${reasonOf(cause)}`, {
        hint: 'check api.host and api.port',
        cause,
      });
  }
}

async function stop(server: Server | TlsServer, streams: readonly { close(): void }[]): Promise<void> {
  const closed = new Promise(resolve => server.close(resolve));
  for (const each of streams) each.close();
  server.closeIdleConnections();
  const timeout = setTimeout(() => server.closeAllConnections(), stopTimeoutMs);
  await closed;
  clearTimeout(timeout);
}
