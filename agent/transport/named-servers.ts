// Reads the addresses that a broker names to its clients: its own, and those of the other servers of its cluster.
import { ipVersion } from '../system/ip-version.ts';
import type { Server } from './server.ts';

/** Number of addresses that are read from one broker; the others are left out. */
const maxNamed = 16;

/** What a broker names while there is a link to it. */
export interface NamedServers {
  /** `host:port` each, with IPv6 in brackets. */
  readonly addresses: readonly string[];
  /** The server that names them. */
  readonly by: Server;
  /** Whether nobody in between can alter what that server says after its greeting. */
  readonly isEncrypted: boolean;
}

/**
 * Returns the addresses in `connect_urls` of a broker's INFO, as `host:port`. Whatever is not an address that a client can
 * dial is left out. Never throws.
 */
export function readNamedServers(connectUrls: unknown): string[] {
  if (!Array.isArray(connectUrls)) return [];
  const read = connectUrls.slice(0, 4 * maxNamed).flatMap(each => readAddress(each) ?? []);
  return [...new Set(read)].slice(0, maxNamed);
}

function readAddress(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 270) return undefined;
  const [, host = '', digits = ''] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(value) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65_535) return undefined;
  const url = URL.parse(`http://${host}:${port}`);
  if (!url?.hostname || (host.startsWith('[') && ipVersion(host.slice(1, -1)) !== 6)) return undefined;
  // These mean all addresses of the server's machine, and to a client they mean its own.
  if (url.hostname === '0.0.0.0' || url.hostname === '[::]') return undefined;
  return `${url.hostname}:${port}`;
}
