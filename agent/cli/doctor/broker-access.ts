// How each role reaches its broker, found out without making what is not there yet.
import { localHost } from '../../broker/broker.ts';
import { brokerFiles, readPort } from '../../broker/files.ts';
import type { Settings } from '../../config/settings.ts';
import { defaultServers } from '../agent.ts';
import type { BrokerAccess, Role } from './context.ts';

/** undefined when it is the requester's own broker, and that never ran. `folder` is the broker's. */
export async function brokerAccess(
  role: Role,
  { nats, broker }: Settings,
  folder: string,
): Promise<BrokerAccess | undefined> {
  const { servers, tls } = nats;
  if (role === 'agent') return { servers: servers.length ? servers : defaultServers, credentials: nats, tls };
  if (servers.length > 0) return { servers, credentials: nats, tls };
  const files = brokerFiles(folder);
  const port = broker.port || (await readPort(files.port));
  if (!port) return undefined;
  return {
    servers: [`nats://${localHost(broker.host)}:${port}`],
    credentials: { tokenFile: files.token },
    tls: undefined,
  };
}
