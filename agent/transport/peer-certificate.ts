// Reads the certificates that a broker showed, and says why they cannot be trusted.
import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { caPinOf } from './ca-pin.ts';

/** What a broker showed in a TLS handshake. */
export interface PeerCertificates {
  /** The broker's own certificate, the one that signed it, and so on, as far as the broker sent them. */
  readonly chain: readonly X509Certificate[];
  /** Why the chain is not trusted: a code of OpenSSL or Node; undefined when it is. */
  readonly fault: string | undefined;
}

/** The most certificates that are read of a chain. An honest one has two to four. */
const maxChain = 8;

/** Returns what the broker showed, after the handshake. */
export function readPeer(socket: TLSSocket): PeerCertificates {
  // Node declares an Error here, and gives the code of the error.
  const fault = socket.authorized ? undefined : String(socket.authorizationError);
  return { chain: readChain(socket), fault };
}

function readChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw && chain.length < maxChain) {
    const certificate = readCertificate(next.raw);
    // Nothing can be said of a certificate whose key cannot be read, or of those that follow it.
    if (!certificate) break;
    chain.push(certificate);
    // A certificate that signed itself names itself.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}

/**
 * Reads a certificate, in PEM or as bytes; undefined when it is none. Node reads the key in it only when it is asked for,
 * and throws then, so that is done here.
 */
export function readCertificate(content: Uint8Array | string): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(content);
    return certificate.publicKey ? certificate : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the certificate in `chain` whose key is one of `pins`. */
export const findPinned = (
  { chain }: PeerCertificates,
  pins: readonly string[],
): X509Certificate | undefined => chain.find(certificate => pins.includes(caPinOf(certificate)));

/** Returns why a certificate is not valid at `now`, as the end of a sentence; undefined when it is. */
export function whyNotValidAt(certificate: X509Certificate, now: Date): string | undefined {
  const { validFromDate, validToDate } = certificate;
  const clock = `, and the clock of this machine says ${seconds(now)}`;
  if (now > validToDate) return `has expired: it was valid until ${seconds(validToDate)}${clock}`;
  if (now < validFromDate) return `is not valid yet: it is valid from ${seconds(validFromDate)}${clock}`;
  return undefined;
}

/** Returns the host names and addresses of a certificate, as OpenSSL writes them. */
export const namesOf = ({ subjectAltName = '' }: X509Certificate): string[] =>
  subjectAltName.split(', ').flatMap(each => /^(?:DNS|IP Address):(.+)$/.exec(each)?.[1] ?? []);

/** Returns a time as in 2026-11-28T08:00:00Z. */
const seconds = (at: Date): string => at.toISOString().replace(/\.\d+Z$/, 'Z');
