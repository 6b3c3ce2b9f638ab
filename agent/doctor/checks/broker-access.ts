// How each role reaches its broker, found out without making what is not there yet.
import { join } from 'node:path';
import { localHost } from '../../broker/broker.ts';
import { brokerFiles, readPort } from '../../broker/broker-files.ts';
import type { Role } from '../../config/role.ts';
import type { Settings } from '../../config/settings.ts';
import { defaultServers } from '../../roles/run-agent.ts';
import { unitName } from '../../service/scope.ts';
import { readBounded } from '../../system/files.ts';
import { rememberSecret } from '../../system/secrets.ts';
import type { Credentials } from '../../transport/credentials.ts';
import type { BrokerAccess } from './context.ts';

/** undefined when it is the requester's own broker, and that never ran. `folder` is the broker's. */
export async function findBrokerAccess(
  role: Role,
  { nats, broker }: Settings,
  folder: string,
  secrets = secretFolders,
): Promise<BrokerAccess | undefined> {
  const { servers, tls } = nats;
  if (role === 'agent' || servers.length > 0) {
    const credentials = await findCredentials(role, nats, secrets);
    return { servers: servers.length ? servers : defaultServers, credentials, tls };
  }
  const files = brokerFiles(folder);
  const port = broker.port || (await readPort(files.port));
  if (!port) return undefined;
  return {
    servers: [`nats://${localHost(broker.host)}:${port}`],
    credentials: { tokenFile: files.token },
    tls: undefined,
  };
}

/**
 * Where systemd puts what it hands to a service (LoadCredential=), for root and the service alone, and where the operator keeps
 * it: one that is down has nothing handed over. systemd.exec(5)
 */
const secretFolders = { handedOver: '/run/credentials', kept: '/etc/credstore' };

/** Those of the settings; where a service has them from systemd, which whoever runs this has not, those. */
async function findCredentials(
  role: Role,
  nats: Settings['nats'],
  { handedOver, kept }: typeof secretFolders,
): Promise<Credentials> {
  const { token, tokenFile, credsFile, user, password, passwordFile } = nats;
  const complete = token ?? tokenFile ?? credsFile ?? (user && (password ?? passwordFile));
  if (complete) return nats;
  const read = async (path: string) => {
    const data = await readBounded(path).catch(() => undefined);
    const text = data?.toString('utf8').trim();
    if (text) rememberSecret(text);
    return text || undefined;
  };
  const either = async (name: string) =>
    (await read(join(handedOver, unitName(role), name))) ?? read(join(kept, `muster-${role}.${name}`));
  return { ...nats, token: await either('nats.token'), password: await either('nats.password') };
}
