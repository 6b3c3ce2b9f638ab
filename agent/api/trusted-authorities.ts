// Finds the certificate authorities (CAs) that may vouch for the API: those in the settings, or those that are on this
// machine.
import { isIP } from 'node:net';
import { join } from 'node:path';
import { connect, rootCertificates } from 'node:tls';
import { dataFolder, roleFolder } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { MusterError, reasonOf } from '../system/errors.ts';
import { readBounded, readOwnFile } from '../system/read-file.ts';
import { caPinOf } from '../transport/ca-pin.ts';
import { findPinned, readPeer } from '../transport/peer-certificate.ts';
import { type ApiAddress, urlOf } from './address.ts';
import { explain, timeoutError } from './explain.ts';

/**
 * Returns the CAs to trust, in PEM; undefined for those of Node alone. With pins it asks the server for its CA, which is
 * public, and takes it when one of the pins is that of it. Throws MusterError `bad_config`, `unreachable`.
 */
export async function trustedAuthorities(
  settings: Pick<Settings, 'api' | 'dataDir'>,
  address: ApiAddress,
  deadlineMs: number,
): Promise<string[] | undefined> {
  if (!address.isTls) return undefined;
  const { caFile, pin } = settings.api.tls;
  if (caFile !== undefined) return [await readAuthorities(caFile)];
  if (pin.length > 0) return [await askForPinned(address, pin, deadlineMs)];
  const known = await knownAuthorities(settings);
  return known.length > 0 ? [...rootCertificates, ...known] : undefined;
}

async function readAuthorities(path: string): Promise<string> {
  const data = await readBounded(path, 1_048_576).catch((error: unknown) => {
    throw new MusterError('bad_config', `api.tls.caFile: ${reasonOf(error)}`, { cause: error });
  });
  if (data?.includes('-----BEGIN CERTIFICATE-----')) return data.toString('utf8');
  const what = data ? `${path} has no certificate in PEM` : `there is no file ${path}`;
  throw new MusterError('bad_config', `api.tls.caFile: ${what}`);
}

/** Returns the CA of the requester on this machine, and those that the agent on this machine has for its cluster. */
async function knownAuthorities(settings: Pick<Settings, 'dataDir'>): Promise<string[]> {
  const folder = await dataFolder(settings).catch(() => undefined);
  if (folder === undefined) return [];
  // A file that this user may not read is no reason to fail: Node may trust the certificate anyway.
  const own = await readOwnFile(join(roleFolder(folder, 'requester'), 'ca.pem')).catch(() => undefined);
  const cluster = await readOwnFile(join(roleFolder(folder, 'agent'), 'cluster.json')).catch(() => undefined);
  return [...(own ? [own.data.toString('utf8')] : []), ...authoritiesIn(cluster?.data)];
}

function authoritiesIn(data: Buffer | undefined): string[] {
  try {
    const { cas } = JSON.parse(data?.toString('utf8') ?? '{}') as { cas?: unknown };
    return Array.isArray(cas) ? cas.filter(ca => typeof ca === 'string') : [];
  } catch {
    return [];
  }
}

/** Returns the CA that the server shows and that has one of these pins. Nothing else is sent to the server meanwhile. */
async function askForPinned(
  address: ApiAddress,
  pins: readonly string[],
  deadlineMs: number,
): Promise<string> {
  const { host, port } = address;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const servername = isIP(host) ? {} : { servername: host };
  const socket = connect({ host, port, ...servername, rejectUnauthorized: false });
  socket.setTimeout(deadlineMs, () => socket.destroy(timeoutError()));
  socket.once('error', reject);
  socket.once('secureConnect', () => {
    const peer = readPeer(socket);
    const found = findPinned(peer, pins);
    if (found) resolve(found.toString());
    else reject(otherAuthority(address, pins, peer.chain.map(caPinOf).at(-1)));
  });
  try {
    return await promise;
  } catch (error) {
    throw explain(error, { url: urlOf(address), host, deadlineMs, doubts: [] });
  } finally {
    socket.destroy();
  }
}

const otherAuthority = (
  address: ApiAddress,
  pins: readonly string[],
  shown: string | undefined,
): MusterError =>
  new MusterError(
    'unreachable',
    `what answers at ${urlOf(address)} has another CA: its pin is ${shown}, and ${pins.join(' or ')} is expected; nothing was sent to it`,
    {
      hint: 'compare the pin with that of this requester; it is in its log and in its join codes (api.tls.pin)',
    },
  );
