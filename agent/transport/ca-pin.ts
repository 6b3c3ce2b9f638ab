// The pin of a certificate authority (CA) names it by its key. It stays the same when the CA gets a new certificate for
// the key.
import { createHash, type KeyObject, X509Certificate } from 'node:crypto';

/** Returns the pin of a CA. */
export const caPinOf = (certificate: X509Certificate): string => keyPinOf(certificate.publicKey);

/** Returns the pin of a CA with this public key: the SHA-256 of the key with its algorithm (SPKI), as base64url. */
export function keyPinOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest('base64url');
}

/** Returns the pins of all certificates in a text in PEM, in order. @throws Error for one that cannot be read */
export function caPinsIn(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return [...new Set(blocks.map(block => caPinOf(new X509Certificate(block))))];
}
