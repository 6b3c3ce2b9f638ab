// Has an agent serve its figures where the settings say. The server is loaded only then.
import type { Agent } from '../compute/agent.ts';
import type { Settings } from '../config/settings.ts';
import { MusterError } from '../system/errors.ts';
import type { Log } from '../system/log.ts';

export interface ServedMetrics extends AsyncDisposable {
  /** Why nothing is served; absent when the server listens. */
  failure?: MusterError;
}

/**
 * Starts the server; does nothing without `metrics.port`. A node whose port is taken does its work all the same, because being
 * watched matters less than being there. Why it serves nothing is then `failure` of the result.
 */
export async function serveAgentMetrics(
  { port, host }: Settings['metrics'],
  agent: Pick<Agent, 'metrics'>,
  log: Log,
): Promise<ServedMetrics | undefined> {
  if (port === undefined) return undefined;
  const { serveMetrics } = await import('./metrics-server.ts');
  try {
    const server = await serveMetrics({ host, port, log, metrics: () => agent.metrics() });
    log.info({ url: server.url }, 'the agent serves its figures');
    return { [Symbol.asyncDispose]: () => server.stop() };
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    log.warn({ err: error, hint: error.hint }, 'the agent serves no figures');
    return { failure: error, [Symbol.asyncDispose]: async () => undefined };
  }
}
