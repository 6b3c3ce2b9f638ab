// One connection of a node, as the broker tells of it: whose it is, what its key is used for, and which of two came first.
import { readConnectionName } from '../../protocol/connection-name.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { decodePublicKey, encodePublicKey } from '../../protocol/nkey.ts';
import type { BrokerClient } from './broker-clients.ts';

/** Who uses a node's key: its agent, or the program beside the agent that does the work of an approved node. */
export const keyUses = ['agent', 'work'] as const;
export type KeyUse = (typeof keyUses)[number];

export interface LiveConnection {
  /** The id of the broker's server, and the number of the connection there. */
  server: string;
  connection: number;
  node: string;
  /** The random value of the agent's process. */
  instance: string;
  /** The address of the agent's machine, and the name that the machine gives itself. */
  host: string;
  hostname?: string | undefined;
  use: KeyUse;
  /** The mark of what was granted to it besides what every node may do; empty for nothing. */
  mark: string;
}

/** The mark of a connection that may only ask why its key was refused. */
export const refusedMark = 'refused';

/** A connection, and when it came. */
export interface Arrival extends LiveConnection {
  /** When it came, RFC 3339, by its server's clock; empty while that is not known. */
  began: string;
  /** Time until which a client that was let in may still come; undefined once it came. */
  expectedUntil: number | undefined;
}

/** Returns what a client of the broker is; undefined for one that is no node's, and for one that may only ask something. */
export function arrivalOf(client: Omit<BrokerClient, 'sent'>): { key: string; arrival: Arrival } | undefined {
  const name = readConnectionName(client.name);
  const [user = '', mark = ''] = client.user.split(' ');
  const key = nodeKeyOf(user);
  if (!name || !key || name.intent === 'check' || mark === refusedMark) return undefined;
  const { server, connection, address: host, began } = client;
  const { node, instance, host: hostname } = name;
  const use: KeyUse = name.intent === 'work' ? 'work' : 'agent';
  const arrival = {
    server,
    connection,
    node,
    instance,
    host,
    hostname,
    use,
    mark,
    began,
    expectedUntil: undefined,
  };
  return { key, arrival };
}

/** Returns whether `one` came after `other`. Each says when by the clock of its own server. */
export function isLater(one: Arrival, other: Arrival): boolean {
  if (one.server === other.server) return one.connection > other.connection;
  return (
    Date.parse(one.began) - Date.parse(other.began) > 0 ||
    (one.began === other.began && one.server > other.server)
  );
}

/** Returns the name of the place of a connection at the broker. */
export const placeOf = ({ server, connection }: Pick<LiveConnection, 'server' | 'connection'>) =>
  `${server} ${connection}`;

/** Returns the name under which a use of a key is kept. */
export const useOf = (key: string, use: KeyUse): string => `${key} ${use}`;

/**
 * Returns the node's key `N…` for the key by which the broker knows the client; undefined for another text. An agent shows
 * its key as that of a user, `U…`. A program with a plain client of NATS shows it as it stands in the file, `N…`.
 */
export function nodeKeyOf(shown: string): string | undefined {
  try {
    return encodePublicKey(decodePublicKey(shown, shown.startsWith('N') ? 'node' : 'user'));
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
