// The pin of a certificate authority (CA) names it by its key. It stays the same when the CA gets a new certificate for
// the key.
import { createHash, X509Certificate } from 'node:crypto';

/** Returns the pin of a CA: the SHA-256 of its public key with the key's algorithm (SPKI), as base64url. */
export function caPinOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ format: 'der', type: 'spki' });
  return createHash('sha256').update(key).digest('base64url');
}

/** Returns the pins of all certificates in a text in PEM, in order. @throws Error for one that cannot be read */
export function caPinsIn(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return [...new Set(blocks.map(block => caPinOf(new X509Certificate(block))))];
}
