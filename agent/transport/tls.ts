// Reads the files for TLS with the broker at each attempt, so a renewed certificate needs no restart.
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { reasonOf } from '../system/errors.ts';
import { readBounded } from '../system/read-file.ts';
import { rememberSecret } from '../system/secrets.ts';
import { ConnectFailure } from './failure.ts';

/**
 * How to use TLS with a broker. Without `caFile`, `cas` and `pins`, the CAs of the system are trusted. The names of the
 * files are those of the settings under `nats.tls`.
 */
export interface TlsFiles {
  caFile?: string | undefined;
  certFile?: string | undefined;
  keyFile?: string | undefined;
  /** Whether to begin TLS before the broker's greeting, for a broker with the option `handshake_first`. */
  handshakeFirst?: boolean | undefined;
  /** CAs to trust, in PEM. */
  cas?: readonly string[] | undefined;
  /**
   * The pins of CAs to trust (see ca-pin.ts). The broker shows such a CA itself. With a pin, TLS always begins before the
   * greeting, because a greeting that somebody altered could talk the client out of TLS.
   */
  pins?: readonly string[] | undefined;
  /** Called with a CA in PEM that was found by its pin, after it was verified, so that the caller can keep it for `cas`. */
  onCa?: ((ca: string) => void) | undefined;
  /** The host name or address that the certificate must be for; by default the one in the address of the broker. */
  serverName?: string | undefined;
}

/**
 * Reads and checks the files.
 * @throws ConnectFailure `tls` for a file that is missing or of another kind.
 */
export async function readTls(files: TlsFiles): Promise<SecureContextOptions> {
  const { caFile, certFile, keyFile, cas = [], pins = [] } = files;
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new ConnectFailure(
      'tls',
      'nats.tls.certFile and nats.tls.keyFile belong together: set both or neither',
    );
  const context: SecureContextOptions = {};
  // Node accepts a CA file without a certificate, but then trusts nobody. So each file is checked here.
  const named = caFile ? [await readPem('nats.tls.caFile', caFile, 'CERTIFICATE')] : [];
  if (named.length + cas.length + pins.length > 0) {
    // An empty list trusts nobody; without a list, Node would trust the CAs of the system.
    context.ca = [...named, ...cas];
    // What is trusted may be a CA that another one signed, or the certificate of the broker itself.
    context.allowPartialTrustChain = true;
  }
  if (pins.length > 0) context.minVersion = 'TLSv1.3';
  if (certFile) context.cert = await readPem('nats.tls.certFile', certFile, 'CERTIFICATE');
  if (keyFile) {
    context.key = await readPem('nats.tls.keyFile', keyFile, 'PRIVATE KEY');
    rememberSecret(context.key.toString('latin1'));
  }
  try {
    createSecureContext(context);
  } catch (error) {
    const files = [caFile, certFile, keyFile].filter(file => file !== undefined).join(', ');
    throw new ConnectFailure('tls', `nats.tls: ${files} cannot be used together: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  return context;
}

async function readPem(setting: string, path: string, kind: string): Promise<Buffer> {
  const data = await readBounded(path, 1_048_576).catch((error: unknown) => {
    throw new ConnectFailure('tls', `${setting}: ${reasonOf(error)}`, { cause: error });
  });
  if (!data) throw new ConnectFailure('tls', `${setting}: there is no file ${path}`);
  if (!data.includes('-----BEGIN ') || !data.includes(`${kind}-----`))
    throw new ConnectFailure('tls', `${setting}: ${path} is not a PEM file with a ${kind.toLowerCase()}`);
  return data;
}
