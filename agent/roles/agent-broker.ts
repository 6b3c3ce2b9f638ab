// Says how an agent reaches its broker: as the settings say, or else as the join code said.
import type { KnownCluster } from '../compute/registration/cluster-file.ts';
import type { Settings } from '../config/settings.ts';
import { hasCredentials } from '../transport/credentials.ts';
import type { TlsFiles } from '../transport/tls.ts';

/** The servers of a node that knows no cluster: the broker of a requester on this machine. */
const defaultServers = ['nats://127.0.0.1:4222'];

/** Returns the servers and whom the agent trusts there. `known` is what the node knows of its cluster. */
export function brokerOfAgent(
  nats: Settings['nats'],
  known: KnownCluster | undefined,
): { servers: readonly string[]; tls: TlsFiles } {
  const servers = [nats.servers, known?.servers ?? []].find(list => list.length > 0) ?? defaultServers;
  return {
    servers,
    tls: { ...nats.tls, ...(usesPins(nats) && known ? { pins: known.pins, cas: known.cas } : {}) },
  };
}

/** Returns whether the agent trusts the CAs of its join code, and those that its requester names. */
export function usesPins(nats: Settings['nats']): boolean {
  // A CA that an operator names replaces those of the join code. Somebody with credentials uses another NATS.
  return !hasCredentials(nats) && nats.tls.caFile === undefined;
}
