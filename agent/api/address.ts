// Says where the commands call the API, and whether they do it over TLS.
import { parseApiServer } from '../config/api-servers.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { MusterError } from '../system/errors.ts';
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
 * Returns the address of the API in `api.host` and `api.port`. Beyond the loopback everything goes over TLS, because a
 * token could be read and a decision changed on the way.
 */
export function apiAddress({ host, port, tls }: Settings['api']): ApiAddress {
  const isTls = !isLoopback(host) || usesTls(tls);
  return { host: wildcards[host] ?? host, port, isTls };
}

const usesTls = ({ certFile, keyFile, caFile, pin }: Settings['api']['tls']): boolean =>
  [certFile, keyFile, caFile].some(file => file !== undefined) || pin.length > 0;

/**
 * Returns the addresses that a command tries in turn: those of `api.servers`, or without them the one of `api.host` and
 * `api.port`. When these were given by a source that wins over the one of `api.servers`, they count alone. @throws MusterError
 * `usage` for flags of both.
 */
export function apiAddresses({ api }: Pick<Settings, 'api'>, origin: LoadedSettings['origin']): ApiAddress[] {
  const rankOfOne = Math.min(rankOf(origin['api.host']), rankOf(origin['api.port']));
  const rankOfList = rankOf(origin['api.servers']);
  if (rankOfOne === 0 && rankOfList === 0) throw bothNamed();
  if (api.servers.length === 0 || rankOfOne < rankOfList) return [apiAddress(api)];
  return api.servers.map(text => {
    const { isTls, ...place } = parseApiServer(text);
    const address = apiAddress({ ...api, ...place });
    return { ...address, isTls: isTls || address.isTls };
  });
}

/** Returns the place of a source among all. One with a smaller number wins; flags have 0. */
function rankOf(origin: string): number {
  const [kind = ''] = origin.split(' ', 1);
  return ['flag', 'environment', 'credential', 'file', 'default'].indexOf(kind);
}

const bothNamed = (): MusterError =>
  new MusterError('usage', '--api-servers cannot be given together with --api-host or --api-port', {
    hint: 'put all addresses into --api-servers, like 192.0.2.1:1234,192.0.2.2:1234',
  });

/** Returns the address as a URL, such as `http://127.0.0.1:1234`. */
export const urlOf = ({ host, port, isTls }: ApiAddress): string =>
  `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
