// The connections that nodes have now: which process of which node, and how to end one. The broker tells when one came or
// went.
import * as v from 'valibot';
import { type AccountKeys, accountId } from '../../protocol/account-keys.ts';
import { nodesAccount } from '../../protocol/callout.ts';
import { readConnectionName } from '../../protocol/connection-name.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { decodePublicKey, encodePublicKey } from '../../protocol/nkey.ts';
import { validate } from '../../protocol/schema.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Message, Subscription } from '../../transport/port.ts';
import { connectionNumber, endClient, listClients, serverId } from './broker-clients.ts';

/** Who uses a node's key: its agent, or the program beside the agent that does the work of an approved node. */
export type KeyUse = 'agent' | 'work';
const keyUses: readonly KeyUse[] = ['agent', 'work'];

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

/** Time after which a client that was let in must have come, in monotonic milliseconds. */
const arrivalTimeoutMs = 15_000;
/** Time until a list that could not be read is asked for again, in milliseconds. */
const retryMs = 10_000;

const eventSchema = v.object({
  server: v.object({ id: serverId }),
  client: v.object({ id: connectionNumber }),
});

interface Entry extends LiveConnection {
  /** Time until which a client that was let in may still come; undefined once it came. */
  expectedUntil: number | undefined;
}

export interface LiveConnectionsOptions {
  connection: Connection;
  /** The accounts on a NATS with an operator. */
  accounts?: AccountKeys | undefined;
  clock: Clock;
  log: Log;
}

export class LiveConnections {
  readonly #options: LiveConnectionsOptions;
  /** The present connection of each use of a key, and the use of each connection by its place at the broker. */
  readonly #byUse = new Map<string, Entry>();
  readonly #uses = new Map<string, string>();
  readonly #limited: LimitedLog;
  #subscriptions: Subscription[] = [];
  #reading: Promise<void> | undefined;
  #retry: Timer | undefined;
  /** Called each time after the connections that the broker has were read. */
  onListed: () => void = () => undefined;

  constructor(options: LiveConnectionsOptions) {
    this.#options = options;
    this.#limited = limitedLog(options.log, options.clock);
  }

  /** Begins to follow the broker, and reads the connections that it has already. */
  start(): void {
    const { connection, accounts } = this.#options;
    const account = `$SYS.ACCOUNT.${accountId(nodesAccount, accounts)}`;
    this.#subscriptions = [
      connection.subscribe(`${account}.CONNECT`, message => this.#onEvent(message, true)),
      connection.subscribe(`${account}.DISCONNECT`, message => this.#onEvent(message, false)),
      connection.onState(state => {
        // Who goes meanwhile is not heard of. A broker that was started again has other connections and another id.
        if (state.kind !== 'connected') this.#forgetAll();
        else this.#read();
      }),
    ];
    this.#read();
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#retry?.cancel();
  }

  /** Resolves when the connections were read that the broker had at the start, or could not be read. */
  async known(): Promise<void> {
    await this.#reading;
  }

  /** Yields all present connections with their keys. */
  *entries(): Generator<[string, LiveConnection]> {
    for (const [use, entry] of [...this.#byUse]) yield [use.split(' ')[0] ?? '', entry];
  }

  /** Returns the present connection of a key. */
  of(key: string, use: KeyUse = 'agent'): LiveConnection | undefined {
    const entry = this.#byUse.get(useOf(key, use));
    if (entry?.expectedUntil === undefined || entry.expectedUntil > this.#options.clock.monotonic())
      return entry;
    this.#forget(useOf(key, use), entry);
    return undefined;
  }

  /** Notes that a client with this key is being let in. */
  expect(key: string, live: LiveConnection): void {
    this.#set(useOf(key, live.use), {
      ...live,
      expectedUntil: this.#options.clock.monotonic() + arrivalTimeoutMs,
    });
  }

  /** Ends the connections of a key, if there are any. Never rejects: what cannot be ended is logged. */
  async end(key: string, uses: readonly KeyUse[] = keyUses): Promise<void> {
    const ended = uses.map(async each => {
      const use = useOf(key, each);
      const live = this.#byUse.get(use);
      if (!live) return;
      this.#forget(use, live);
      await this.endAt(live);
    });
    await Promise.all(ended);
  }

  /** Ends a connection, if it is still there. Never rejects, as `end`. */
  async endAt(place: Pick<LiveConnection, 'server' | 'connection' | 'node'>): Promise<void> {
    try {
      await endClient(this.#options.connection, place);
    } catch (err) {
      this.#limited.warn('end', { node: place.node, err }, 'the connection of a node could not be ended');
      // It may still be there, and is then compared with what is known of its node again.
      this.#readLater();
    }
  }

  #set(use: string, entry: Entry): void {
    const before = this.#byUse.get(use);
    if (before) this.#uses.delete(placeOf(before));
    this.#byUse.set(use, entry);
    this.#uses.set(placeOf(entry), use);
  }

  #forget(use: string, entry: LiveConnection): void {
    this.#uses.delete(placeOf(entry));
    if (this.#byUse.get(use) === entry) this.#byUse.delete(use);
  }

  #forgetAll(): void {
    this.#byUse.clear();
    this.#uses.clear();
  }

  #read(): void {
    this.#retry?.cancel();
    const reading = this.#readAll().finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    this.#reading = reading;
  }

  #onEvent(message: Message, came: boolean): void {
    const { server, client: about } = validate(eventSchema, parseJson(message.data));
    const use = this.#uses.get(placeOf({ server: server.id, connection: about.id })) ?? '';
    const entry = this.#byUse.get(use);
    if (!entry) return;
    if (came) entry.expectedUntil = undefined;
    else this.#forget(use, entry);
  }

  async #readAll(): Promise<void> {
    const { connection, accounts } = this.#options;
    try {
      const found = new Map<string, Entry>();
      for (const client of await listClients(connection, nodesAccount, { accounts })) {
        const name = readConnectionName(client.name);
        const [user = '', mark = ''] = client.user.split(' ');
        const key = nodeKeyOf(user);
        if (!name || !key || name.intent === 'check') continue;
        const use: KeyUse = name.intent === 'work' ? 'work' : 'agent';
        // A key that was refused has a second connection, which came later.
        if (found.has(useOf(key, use))) continue;
        const { server, connection: number, address: host } = client;
        const { node, instance, host: hostname } = name;
        found.set(useOf(key, use), {
          server,
          connection: number,
          node,
          instance,
          host,
          hostname,
          use,
          mark,
          expectedUntil: undefined,
        });
      }
      // Who was let in while the list was read is newer than the list.
      for (const [use, entry] of [...this.#byUse])
        if (entry.expectedUntil === undefined) this.#forget(use, entry);
      for (const [use, entry] of found) if (!this.#byUse.has(use)) this.#set(use, entry);
      this.onListed();
    } catch (err) {
      this.#limited.warn('list', { err }, 'the connections of the nodes could not be listed; trying again');
      this.#readLater();
    }
  }

  #readLater(): void {
    const { connection, clock } = this.#options;
    this.#retry?.cancel();
    this.#retry = clock.after(retryMs, () => connection.state.kind === 'connected' && this.#read());
  }
}

const placeOf = ({ server, connection }: Pick<LiveConnection, 'server' | 'connection'>) =>
  `${server} ${connection}`;

/** Returns the name under which a use of a key is kept. */
const useOf = (key: string, use: KeyUse): string => `${key} ${use}`;

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
