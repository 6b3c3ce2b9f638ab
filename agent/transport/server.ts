// Reads a broker's address from `nats.servers`.
import { MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';

export interface Server {
  /** The URL of the broker in messages. It contains no secret. */
  label: string;
  host: string;
  port: number;
  /** Whether the URL begins with `tls://`. Then a broker without TLS is refused. */
  tls: boolean;
}

/**
 * Reads `nats://host[:port]` and `tls://host[:port]`. A URL without a scheme is read as `nats://`. @throws MusterError
 * `bad_config`. A URL with credentials is refused, and the message does not repeat it, because messages are written to
 * logs.
 */
export function parseServers(urls: readonly string[]): Server[] {
  if (urls.length === 0)
    throw new MusterError(
      'bad_config',
      'nats.servers is empty: name at least one, such as nats://127.0.0.1:4222',
    );
  return urls.map(parseServer);
}

/** Returns a function that reads the addresses that `find` returns. As long as they are the same, so are the servers. */
export function serverSource(
  find: () => readonly string[],
  { mayBeEmpty = false } = {},
): () => readonly Server[] {
  let urls: readonly string[] = [];
  let servers: readonly Server[] = [];
  return () => {
    const found = find();
    if (mayBeEmpty && found.length === 0) servers = [];
    else if (found.join(' ') !== urls.join(' ') || servers.length === 0) servers = parseServers(found);
    urls = found;
    return servers;
  };
}

function parseServer(text: string): Server {
  const [, scheme = 'nats', rest = ''] = /^(?:([a-z+]+):\/\/)?(.*)$/i.exec(text.trim()) ?? [];
  if (rest.includes('@'))
    throw new MusterError('bad_config', 'nats.servers holds a URL with credentials in it', {
      hint: 'put them in nats.token, nats.tokenFile, nats.user or nats.credsFile',
    });
  // `URL` has the rules of http for hosts and ports, with IPv6 in brackets. The rules of NATS are the same.
  const url = URL.parse(`http://${/:\d+\/?$/.test(rest) ? rest : `${rest.replace(/\/$/, '')}:4222`}`);
  const known = ['nats', 'tls'].includes(scheme.toLowerCase());
  if (!known || !url?.hostname || url.pathname !== '/' || url.search || url.hash)
    throw new MusterError(
      'bad_config',
      `nats.servers: ${printable(text, 200)} is not nats://host:port or tls://host:port`,
    );
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port || 80);
  return {
    label: `${scheme.toLowerCase()}://${url.hostname}:${port}`,
    host,
    port,
    tls: scheme.toLowerCase() === 'tls',
  };
}
