// Says when the certificates end that a requester shows to others.
import { X509Certificate } from 'node:crypto';
import type { CertificateEnd } from '../requester/status/requester-status.ts';

/** The certificates of the broker and of the API, each a text in PEM: its own one first, and those that signed it. */
export interface ShownCertificates {
  broker?: string | undefined;
  API?: string | undefined;
}

/**
 * Returns when each certificate ends. One that both use stands there once. A certificate that cannot be read is left out: the
 * start has refused it.
 */
export function certificateEnds(shown: ShownCertificates): CertificateEnd[] {
  const found = new Map<string, { isCa: boolean; users: string[]; end: Date }>();
  for (const user of ['broker', 'API'] as const)
    for (const [index, certificate] of readAll(shown[user] ?? '').entries()) {
      const { fingerprint256, validToDate: end } = certificate;
      const known = found.get(fingerprint256) ?? { isCa: index > 0, users: [], end };
      if (!known.users.includes(user)) known.users.push(user);
      found.set(fingerprint256, known);
    }
  return [...found.values()].map(({ isCa, users, end }) => ({
    use: `${isCa ? 'CA of ' : ''}${users.join(' and ')}`,
    endsAt: end.toISOString(),
  }));
}

function readAll(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap(block => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}
