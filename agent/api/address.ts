// Says where the commands call the API, and whether they do it over TLS.
import type { Settings } from '../config/settings.ts';
import { isLoopback } from '../system/loopback.ts';

export interface ApiAddress {
  /** The name or address to call, without brackets. */
  host: string;
  port: number;
  isTls: boolean;
}

/** The addresses on which a server listens for all, and those by which this machine reaches it. */
const wildcards: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/**
 * Returns the address of the API in the settings. Beyond the loopback everything goes over TLS, because a token could
 * be read and a decision changed on the way.
 */
export function apiAddress({ host, port, tls }: Settings['api']): ApiAddress {
  const isTls = !isLoopback(host) || Object.values(tls).some(value => value !== undefined);
  return { host: wildcards[host] ?? host, port, isTls };
}

/** Returns the address as a URL, such as `http://127.0.0.1:1234`. */
export const urlOf = ({ host, port, isTls }: ApiAddress): string =>
  `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
