// Warns of a connection to a broker that others can read, as far as this role can see.
import type { Log } from '../system/log.ts';
import { isLoopback } from '../system/loopback.ts';
import type { Connection, Subscription } from '../transport/port.ts';
import { parseServers } from '../transport/server.ts';

/** Warns once for each server on another machine to which the link is not encrypted. */
export function warnOfUnencrypted(connection: Pick<Connection, 'onState'>, log: Log): Subscription {
  const warned = new Set<string>();
  return connection.onState(state => {
    if (state.kind !== 'connected' || state.isEncrypted || warned.has(state.server)) return;
    if (parseServers([state.server]).every(({ host }) => isLoopback(host))) return;
    warned.add(state.server);
    log.warn({ server: state.server }, text);
  });
}

const text =
  'the connection to the broker is not encrypted: whoever is in between reads join codes, work and every other message, and can act as any node; let the broker use TLS, and name it as tls:// in nats.servers or by a new join code';
