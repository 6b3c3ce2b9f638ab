// Asks the broker, which may be a cluster of servers, for its servers and clients, and ends the connection of a client.
import * as v from 'valibot';
import { type AccountKeys, accountId } from '../../protocol/account-keys.ts';
import { nodesAccount } from '../../protocol/callout.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import type { Connection } from '../../transport/port.ts';

/** A client as the broker lists it. */
export interface BrokerClient {
  /** The id of the broker's server, and the number of the connection there. */
  server: string;
  connection: number;
  /** The address of the client. */
  address: string;
  /** The name that the client chose. */
  name: string;
  /** The key that the client has shown, `U…`. Of a client that was not let in, nothing proves it. */
  user: string;
  /** Time since which it is connected, RFC 3339, by its server's clock; empty when the server does not tell. */
  began: string;
  /** Number of messages that the client has sent on this connection. */
  sent: number;
}

/** The account in which a client is until it is let in. With an operator, that is the account of the nodes. */
const nobodysAccount = '$G';

/** Time that the broker has to answer, in milliseconds. */
const answerTimeoutMs = 5_000;
/** Time for the answers of all servers. */
const statesWait = { firstMs: answerTimeoutMs, nextMs: 500 };
/** Number of clients that the broker lists at a time. */
const pageSize = 1_024;
/** Size of the largest list that is read, in bytes. A client takes about 600, and one with a long name about 1 500. */
const maxListBytes = 4 * 1024 * 1024;

/** The id of a server, which becomes a part of a subject, and the number of a connection there. */
export const serverId = v.pipe(v.string(), v.regex(/^N[A-Z2-7]{55}$/));
export const connectionNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const text = v.optional(v.pipe(v.string(), v.maxLength(1_024)), '');
const statsSchema = v.object({
  server: v.object({ id: serverId }),
  statsz: v.object({ active_servers: v.optional(v.number(), 1) }),
});
const listSchema = v.object({
  data: v.object({
    connections: v.pipe(
      v.array(
        v.object({
          cid: connectionNumber,
          ip: text,
          name: text,
          authorized_user: text,
          issuer_key: text,
          start: text,
          in_msgs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
        }),
      ),
      v.maxLength(pageSize),
    ),
  }),
});

/**
 * Returns the ids of the servers of the broker. A server that was killed is counted for some minutes, and does not answer.
 * @throws BrokerError
 */
export async function listServers(connection: Pick<Connection, 'gather'>): Promise<string[]> {
  const servers = new Set<string>();
  await connection.gather('$SYS.REQ.SERVER.PING.STATSZ', '', statesWait, ({ data }) => {
    const { server, statsz } = validate(statsSchema, parseJson(data));
    servers.add(server.id);
    return servers.size >= statsz.active_servers;
  });
  return [...servers];
}

export interface ListOptions {
  /** Only clients that the broker knows by this name. */
  user?: string;
  /** The accounts on a NATS with an operator. */
  accounts?: AccountKeys | undefined;
}

/**
 * Returns the clients that were let in to an account, those of a server that came first before the others.
 * @throws BrokerError, ProtocolError
 */
export async function listClients(
  connection: Pick<Connection, 'request' | 'gather'>,
  account: string,
  { user, accounts }: ListOptions = {},
): Promise<BrokerClient[]> {
  const found = await listAll(connection, accountId(account, accounts), { user });
  // The list of such an account also has the clients that wait. Nothing proves what those say of themselves.
  return accounts ? found.filter(({ signer }) => signer === accounts.signer) : found;
}

/**
 * Returns the clients that are not let in yet, in the same order; those of all servers unless `servers` has the ids of some.
 * @throws BrokerError, ProtocolError
 */
export async function listWaiting(
  connection: Pick<Connection, 'request' | 'gather'>,
  accounts?: AccountKeys,
  servers?: readonly string[],
): Promise<BrokerClient[]> {
  const account = accounts ? accountId(nodesAccount, accounts) : nobodysAccount;
  const found = await listAll(connection, account, { servers });
  if (!accounts) return found;
  return found.filter(({ signer }) => signer !== accounts.signer);
}

async function listAll(
  connection: Pick<Connection, 'request' | 'gather'>,
  account: string,
  { user, servers }: { user?: string | undefined; servers?: readonly string[] | undefined },
): Promise<ListedClient[]> {
  const asked = servers ?? (await listServers(connection));
  return (await Promise.all(asked.map(server => listAllOf(server, connection, account, user)))).flat();
}

interface ListedClient extends BrokerClient {
  /** The key that signed who the client is; empty when its configuration says so. */
  signer: string;
}

async function listAllOf(
  server: string,
  connection: Pick<Connection, 'request'>,
  account: string,
  user: string | undefined,
): Promise<ListedClient[]> {
  const clients: ListedClient[] = [];
  for (let offset = 0; ; offset += pageSize) {
    const body = JSON.stringify({ acc: account, user, auth: true, sort: 'cid', limit: pageSize, offset });
    const answer = await connection.request(`$SYS.REQ.SERVER.${server}.CONNZ`, body, answerTimeoutMs);
    const { data } = validate(listSchema, parseJson(answer.data, maxListBytes));
    for (const { cid, ip, name, authorized_user, issuer_key, start, in_msgs } of data.connections)
      clients.push({
        server,
        connection: cid,
        address: ip,
        name,
        user: authorized_user,
        signer: issuer_key,
        began: start,
        sent: in_msgs,
      });
    // A page that is not full is the last one.
    if (data.connections.length < pageSize) return clients;
  }
}

/** Ends the connection of a client. @throws BrokerError */
export async function endClient(
  connection: Pick<Connection, 'request'>,
  client: Pick<BrokerClient, 'server' | 'connection'>,
): Promise<void> {
  const body = JSON.stringify({ cid: client.connection });
  await connection.request(`$SYS.REQ.SERVER.${client.server}.KICK`, body, answerTimeoutMs);
}
