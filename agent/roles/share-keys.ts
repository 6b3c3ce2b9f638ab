// Hands the keys that all requesters of a roll share from the folder of one requester to that of another.
import { join } from 'node:path';
import { accessFiles, boxFile, loadBrokerAccess, loadOwnNatsAccess } from '../broker/broker-access.ts';
import { brokerFiles, readPort } from '../broker/broker-files.ts';
import { usesTls } from '../broker/tls/choose-certificate.ts';
import { advertisedAddresses, machineNames } from '../broker/tls/names.ts';
import { readAuthorityCertificates } from '../broker/tls/next-authority.ts';
import { roleFolder } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import type { SharedKeys } from '../protocol/shared-keys.ts';
import { loadTokenFile, tokenFiles } from '../requester/enrolment/token-file.ts';
import { MusterError } from '../system/errors.ts';
import { writeFileAtomic } from '../system/files.ts';
import { readBounded, readOwnFile } from '../system/read-file.ts';
import { rememberSecret } from '../system/secrets.ts';

/** The file in the requester's folder with the CA of a broker that another requester runs. */
const brokerCaFile = 'broker-ca.pem';

/** The files in the requester's folder with the keys that are shared. */
export const sharedKeyFiles = [accessFiles.issuer, boxFile, tokenFiles.unverified] as const;

/** The files in the requester's folder that `takeSharedKeys` may write. */
export const takenFiles = [...sharedKeyFiles, accessFiles.requester, brokerCaFile] as const;

/** The keys alone, without where the broker is. */
type SharedSecrets = Omit<SharedKeys, 'servers' | 'ca'>;

/** Returns the keys in the requester's `folder`. Those that are missing are made. @throws as `collectSharedKeys` */
export async function loadSharedSecrets(folder: string, { requester }: Settings): Promise<SharedSecrets> {
  await loadOwnNatsAccess(folder);
  const { unverifiedNodes } = requester;
  return {
    issuer: await readText(join(folder, accessFiles.issuer)),
    box: await readText(join(folder, boxFile)),
    ...(unverifiedNodes ? { bacalhauToken: await loadTokenFile(join(folder, tokenFiles.unverified)) } : {}),
  };
}

/**
 * Returns the shared keys of the requester in the data folder `data`. Those that are missing are made. @throws MusterError
 * `bad_state` for a damaged file, `not_writable`.
 */
export async function collectSharedKeys(data: string, settings: Settings): Promise<SharedKeys> {
  const folder = roleFolder(data, 'requester');
  const ca = await readCa(folder, settings);
  return {
    ...(await loadSharedSecrets(folder, settings)),
    servers: [...(await serversOf(data, settings))],
    ...(ca === undefined ? {} : { ca }),
  };
}

/**
 * Puts the shared keys into the requester's folder. A key that is there already stays, and must be the same. Returns the
 * public key by which the broker has to know this requester, and the file with the CA of the broker, if it needs one.
 * @throws MusterError `conflict` when another key is there, and then nothing is changed; `bad_state`, `not_writable`.
 */
export async function takeSharedKeys(
  folder: string,
  keys: Omit<SharedKeys, 'servers'>,
): Promise<{ login: string; caFile: string | undefined }> {
  const wanted = [
    [accessFiles.issuer, keys.issuer],
    [boxFile, keys.box],
    [tokenFiles.unverified, keys.bacalhauToken],
  ] as const;
  const missing: [path: string, text: string][] = [];
  for (const [name, text] of wanted) {
    if (text === undefined) continue;
    rememberSecret(text);
    const path = join(folder, name);
    const kept = await readText(path);
    if (kept !== '' && kept !== text) throw otherKey(path);
    if (kept === '') missing.push([path, text]);
  }
  for (const [path, text] of missing) await writeFileAtomic(path, `${text}\n`);
  const caFile = keys.ca === undefined ? undefined : join(folder, brokerCaFile);
  if (caFile !== undefined && keys.ca !== undefined) await writeFileAtomic(caFile, keys.ca);
  const { requester } = await loadBrokerAccess(folder);
  return { login: requester.publicKey, caFile };
}

/** Returns the text in a file of the requester; empty when there is no file. */
const readText = async (path: string): Promise<string> =>
  (await readOwnFile(path, 1024))?.data.toString('latin1').trim() ?? '';

const otherKey = (path: string): MusterError =>
  new MusterError(
    'conflict',
    `${path} is there already, with another key: a requester of another roll has made it`,
    {
      hint: 'choose another data folder (--data-dir), or remove the file when nobody needs that roll any more',
    },
  );

async function serversOf(data: string, { nats, broker }: Settings): Promise<readonly string[]> {
  if (nats.servers.length > 0) return nats.servers;
  const { host, advertise } = broker;
  const port = broker.port || ((await readPort(brokerFiles(roleFolder(data, 'broker')).port)) ?? 4222);
  const scheme = usesTls(broker) ? 'tls' : 'nats';
  return advertisedAddresses(advertise, { host, port }, machineNames()).map(each => `${scheme}://${each}`);
}

/** Returns the CA of the broker, and also the one that follows, in PEM; undefined without TLS, and for a public CA. */
async function readCa(folder: string, { nats, broker }: Settings): Promise<string | undefined> {
  const hasOwnBroker = nats.servers.length === 0;
  if (hasOwnBroker && !usesTls(broker)) return undefined;
  if (hasOwnBroker && broker.tls.certFile === undefined) {
    const { present, next = '' } = await readAuthorityCertificates(folder);
    if (present !== undefined) return present + next;
    // It is made at the first start of the broker with TLS.
    throw new MusterError('not_found', `${folder} does not contain the CA of the broker yet`, {
      hint: 'start the requester once, so that it makes the CA, and run this again',
    });
  }
  const path = hasOwnBroker ? broker.tls.caFile : nats.tls.caFile;
  if (path === undefined) return undefined;
  const data = await readBounded(path);
  if (!data) throw new MusterError('not_found', `there is no file ${path} with the CA of the broker`);
  return data.toString('latin1');
}
