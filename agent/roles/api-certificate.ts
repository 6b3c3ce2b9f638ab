// Finds the certificate of the HTTP API: the operator's own, or that of the broker, so that both have one CA.
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { chooseCertificate } from '../broker/tls/choose-certificate.ts';
import { machineNames } from '../broker/tls/names.ts';
import { isFor, type OnMade } from '../broker/tls/server-certificate.ts';
import type { Settings } from '../config/settings.ts';
import type { ApiTls } from '../requester/api/server.ts';
import { systemClock } from '../system/clock.ts';
import { MusterError, reasonOf } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import { isLoopback } from '../system/loopback.ts';
import { readBounded } from '../system/read-file.ts';
import { rememberSecret } from '../system/secrets.ts';

/**
 * Returns the certificate of the API; undefined when it listens on the loopback without one. `folder` is the requester's,
 * and the caller holds its lock. Throws MusterError.
 */
export async function apiCertificate(
  settings: Settings,
  folder: string,
  log: Log,
  onMade?: OnMade,
): Promise<ApiTls | undefined> {
  const { host, tls } = settings.api;
  const { certFile, keyFile } = tls;
  if (certFile !== undefined && keyFile !== undefined) {
    const [cert, key] = await Promise.all([
      read('api.tls.certFile', certFile),
      read('api.tls.keyFile', keyFile),
    ]);
    rememberSecret(key);
    return checked(cert, key, `${certFile} and ${keyFile}`);
  }
  if (isLoopback(host)) return undefined;
  const now = () => systemClock.now();
  const { chain, key } = await chooseCertificate({
    settings,
    folder,
    machine: machineNames,
    now,
    log,
    onMade,
  });
  return checked(chain, key, folder);
}

function checked(cert: string, key: string, files: string): ApiTls {
  try {
    createSecureContext({ cert, key });
    const certificate = new X509Certificate(cert);
    return { cert, key, isOwnName: name => isFor(certificate, name) };
  } catch (error) {
    throw new MusterError(
      'bad_config',
      `the certificate of the API in ${files} cannot be used: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}

async function read(setting: string, path: string): Promise<string> {
  const data = await readBounded(path, 1_048_576).catch((error: unknown) => {
    throw new MusterError('bad_config', `${setting}: ${reasonOf(error)}`, { cause: error });
  });
  if (!data) throw new MusterError('bad_config', `${setting}: there is no file ${path}`);
  return data.toString('utf8');
}
