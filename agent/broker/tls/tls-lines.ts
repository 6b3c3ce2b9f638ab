// Writes the part of nats-server's configuration that turns TLS on.
import type { ServerCertificate } from './server-certificate.ts';

/**
 * Time that the server waits for a client to begin TLS, before it greets it in the clear and asks for TLS. The default of
 * nats-server, 50 ms, is less than a message takes to another continent and back: such a client would get the greeting
 * where it expects TLS.
 */
const waitForTls = '1s';
/** Time for a handshake, in seconds. Thousands of nodes that come back at once need more than the default of 2. */
const handshakeTimeout = 10;

/** Returns the lines of the block `tls`. */
export function tlsLines({ certFile, keyFile }: Pick<ServerCertificate, 'certFile' | 'keyFile'>): string[] {
  return [
    'tls {',
    `  cert_file: ${JSON.stringify(certFile)}`,
    `  key_file: ${JSON.stringify(keyFile)}`,
    `  handshake_first: ${JSON.stringify(waitForTls)}`,
    `  timeout: ${handshakeTimeout}`,
    '}',
  ];
}
