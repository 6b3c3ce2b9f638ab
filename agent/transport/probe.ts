// Asks once whether a broker takes us.
import type { Credentials } from './credentials.ts';
import { dial } from './dial.ts';
import { ConnectFailure } from './failure.ts';
import { parseServers } from './server.ts';

/** Whether the broker at `url` lets us in with `credentials`, now. */
export async function canConnect(url: string, credentials: Credentials): Promise<boolean> {
  const [server] = parseServers([url]);
  if (!server) return false;
  const settings = {
    name: 'muster probe',
    credentials,
    tls: undefined,
    timeout: 2_000,
    pingInterval: 60_000,
  };
  try {
    const { link } = await dial(server, settings, new AbortController().signal);
    await link.close();
    return true;
  } catch (error) {
    if (error instanceof ConnectFailure) return false;
    throw error;
  }
}
