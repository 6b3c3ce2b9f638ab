// Finds out how a role reaches its broker, without creating anything.
import { join } from 'node:path';
import { accountKeys } from '../../broker/account-keys.ts';
import { localHost } from '../../broker/broker.ts';
import { inspectBrokerAccess, inspectRequesterKey } from '../../broker/broker-access.ts';
import { brokerFiles, readPort } from '../../broker/broker-files.ts';
import { inspectTls, usesTls } from '../../broker/tls/choose-certificate.ts';
import { inspectClusterFile } from '../../compute/registration/cluster-file.ts';
import { inspectIdentity } from '../../compute/registration/identity.ts';
import type { Role } from '../../config/role.ts';
import type { Settings } from '../../config/settings.ts';
import { writeConnectionName } from '../../protocol/connection-name.ts';
import { writeRequesterToken } from '../../protocol/requester-token.ts';
import { brokerOfAgent } from '../../roles/agent-broker.ts';
import { unitName } from '../../service/scope.ts';
import { readNodeId } from '../../system/node-id.ts';
import { systemRandom } from '../../system/random.ts';
import { readBounded } from '../../system/read-file.ts';
import { rememberSecret } from '../../system/secrets.ts';
import { type Credentials, hasCredentials } from '../../transport/credentials.ts';
import type { BrokerAccess } from './context.ts';

/**
 * Returns how the role reaches its broker; undefined when that is the requester's own broker and it never ran. `folderOf`
 * returns the folder of a role, and of the broker. `brokerUrl` is the address of the broker of a requester that runs: flags may
 * have given it another port than the settings. Throws MusterError for a key or a certificate that cannot be read.
 */
export async function findBrokerAccess(
  role: Role,
  { nats, broker, node: { id: configuredId } }: Settings,
  folderOf: (name: Role | 'broker') => string,
  { brokerUrl, secrets = secretFolders }: { brokerUrl?: string | undefined; secrets?: SecretFolders } = {},
): Promise<BrokerAccess | undefined> {
  const { servers, tls } = nats;
  if (role === 'agent' || servers.length > 0) {
    const credentials = await findCredentials(role, nats, secrets);
    if (role !== 'agent') {
      // The servers ask the requester about every other key.
      return {
        servers,
        credentials: { ...credentials, ...(await requesterLogin(nats, folderOf('requester'))) },
        tls,
      };
    }
    const folder = folderOf('agent');
    const identity = (await inspectIdentity(folder))?.identity;
    credentials.key = identity;
    const access = { ...brokerOfAgent(nats, await inspectClusterFile(folder)), credentials };
    const node = configuredId ?? (await readNodeId(folder));
    if (!identity || node === undefined || hasCredentials(credentials)) return access;
    // The requester lets a check in beside the running agent of the node, and changes nothing for it.
    const name = writeConnectionName({ node, instance: systemRandom.uuid(), intent: 'check' });
    return { ...access, node: { name, key: identity.publicKey } };
  }
  const server = brokerUrl ?? (await configuredUrl(broker, folderOf('broker')));
  const key = await inspectRequesterKey(folderOf('requester'));
  if (server === undefined || !key) return undefined;
  return {
    servers: [server],
    credentials: { key },
    tls: server.startsWith('tls:') ? await inspectTls(broker, folderOf('requester')) : undefined,
  };
}

/** Returns how the requester logs in to a NATS of one's own. */
async function requesterLogin({ accounts: named }: Settings['nats'], folder: string): Promise<Credentials> {
  const { requester: key, issuer } = await inspectBrokerAccess(folder);
  const accounts = issuer && accountKeys(named, issuer);
  return { key, keyToken: key && accounts && writeRequesterToken(key.publicKey, accounts, issuer) };
}

/** Returns the address of the requester's own broker by the settings; undefined when its port is not chosen yet. */
async function configuredUrl(broker: Settings['broker'], folder: string): Promise<string | undefined> {
  const port = broker.port || (await readPort(brokerFiles(folder).port));
  return port === undefined
    ? undefined
    : `${usesTls(broker) ? 'tls' : 'nats'}://${localHost(broker.host)}:${port}`;
}

/**
 * The folders with a service's credentials (LoadCredential=): the copies of a running service, which only root and the
 * service can read, and the operator's own files. A service that does not run has no copies. See systemd.exec(5).
 */
const secretFolders = { copied: '/run/credentials', stored: '/etc/credstore' };
type SecretFolders = typeof secretFolders;

/** Returns the credentials in the settings. When there are none, it returns those that systemd gives to the service. */
async function findCredentials(
  role: Role,
  nats: Settings['nats'],
  { copied, stored }: SecretFolders,
): Promise<Credentials> {
  const { token, tokenFile, credsFile, user, password, passwordFile } = nats;
  const complete = token ?? tokenFile ?? credsFile ?? (user && (password ?? passwordFile));
  if (complete) return { ...nats };
  const read = async (path: string) => {
    const data = await readBounded(path).catch(() => undefined);
    const text = data?.toString('utf8').trim();
    if (text) rememberSecret(text);
    return text || undefined;
  };
  const readEither = async (name: string) =>
    (await read(join(copied, unitName(role), name))) ?? read(join(stored, `muster-${role}.${name}`));
  return { ...nats, token: await readEither('nats.token'), password: await readEither('nats.password') };
}
