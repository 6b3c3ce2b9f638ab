// Serves the figures of an agent over HTTP. It answers one path, and nothing that anybody sends changes anything.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Metric, metricsText, metricsType } from '../output/metrics.ts';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { hostOf } from '../system/host-header.ts';
import type { Log } from '../system/log.ts';
import { isLoopback } from '../system/loopback.ts';

export interface MetricsServerOptions {
  host: string;
  /** The port. The system chooses a free one for 0. */
  port: number;
  log: Log;
  /** Returns the figures as they are now. */
  metrics(): Metric[];
}

export interface MetricsServer {
  /** The address of the figures, such as `http://127.0.0.1:9464/metrics`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Options of node:http, in milliseconds and bytes. They limit what a slow or malicious client can cost. */
const limits = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 2_500,
  maxHeaderSize: 8_192,
};
/** A Prometheus keeps one connection. Further ones beyond these are closed at once. */
const maxConnections = 32;

/** Starts the server. @throws MusterError `in_use` or `failed` when it cannot listen there. */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port, log } = options;
  const server = createServer(limits, (request, response) => void answer(request, response, options));
  server.maxConnections = maxConnections;
  server.setTimeout(10_000);
  await listen(server, host, port);
  server.on('error', err => log.error({ err }, 'the server of the figures failed'));
  const address = server.address();
  const actual = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}/metrics`,
    stop: () => stop(server),
  };
}

async function answer(
  { method, url, headers }: IncomingMessage,
  response: ServerResponse,
  { host, log, metrics }: MetricsServerOptions,
): Promise<void> {
  const end = (status: number, text: string, type = 'text/plain; charset=utf-8') => {
    const more = {
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      Connection: 'keep-alive',
    };
    response.writeHead(status, { 'Content-Type': type, ...more }).end(text);
  };
  // A web page can make a name of its own point to this machine. The header then still has that name.
  if (isLoopback(host) && !isLoopback(hostOf(headers.host)))
    return end(403, 'the Host header must name this machine: localhost, 127.0.0.1 or [::1]\n');
  if (method !== 'GET' && method !== 'HEAD') return end(405, 'this only answers GET\n');
  if (url?.split('?')[0] !== '/metrics') return end(404, 'the figures are at /metrics\n');
  try {
    end(200, await metricsText(metrics()), metricsType);
  } catch (err) {
    log.error({ err }, 'the figures could not be written');
    end(500, 'the figures could not be written; the log of the agent says why\n');
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  try {
    server.listen({ host, port }, resolve);
    await promise;
  } catch (cause) {
    const isTaken = errnoOf(cause) === 'EADDRINUSE';
    const text = isTaken
      ? `port ${port} on ${host} is in use by another program (metrics.port)`
      : `cannot listen on ${host}, port ${port}: ${reasonOf(cause)}`;
    const hint = isTaken
      ? 'stop that program, or choose another port'
      : 'check metrics.host and metrics.port';
    throw new MusterError(isTaken ? 'in_use' : 'failed', text, { hint, cause });
  } finally {
    server.off('error', reject);
  }
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise(resolve => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
