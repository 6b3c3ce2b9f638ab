// The connections that nodes have now, and how to end one. The broker tells when one came or went.
import * as v from 'valibot';
import { type AccountKeys, accountId } from '../../protocol/account-keys.ts';
import { nodesAccount } from '../../protocol/callout.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Message, Subscription } from '../../transport/port.ts';
import { connectionNumber, endClient, listClients, serverId, text } from './broker-clients.ts';
import {
  type Arrival,
  arrivalOf,
  isLater,
  type KeyUse,
  keyUses,
  type LiveConnection,
  placeOf,
  useOf,
} from './live-connection.ts';

/** Time after which a client that was let in must have come, in monotonic milliseconds. */
const arrivalTimeoutMs = 15_000;
/**
 * Time after which one of two processes with the same key is ended, if both are still there, in milliseconds: the end of the
 * first may be told later than the beginning of the second.
 */
const secondProcessMs = 2_000;
/** Time until a list that could not be read is asked for again, in milliseconds. */
const retryMs = 10_000;

// Of a client with a longer name nothing else is known than that it came or went.
const shown = v.fallback(text, '');
const eventSchema = v.object({
  server: v.object({ id: serverId }),
  client: v.object({ id: connectionNumber, host: shown, name: shown, user: shown, start: shown }),
});

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
  readonly #byUse = new Map<string, Arrival>();
  readonly #uses = new Map<string, string>();
  /** Connections of another process with the key of a present one, which came later, by their places. */
  readonly #seconds = new Map<string, { use: string; entry: Arrival }>();
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
    // What waits to end one of two processes finds nothing to do.
    this.#seconds.clear();
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
      began: '',
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

  #set(use: string, entry: Arrival): void {
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
    this.#seconds.clear();
  }

  #read(): void {
    this.#retry?.cancel();
    const reading = this.#readAll().finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    this.#reading = reading;
  }

  #onEvent(message: Message, came: boolean): void {
    const { server, client } = validate(eventSchema, parseJson(message.data));
    const place = placeOf({ server: server.id, connection: client.id });
    const use = this.#uses.get(place) ?? '';
    const entry = this.#byUse.get(use);
    if (!came) {
      this.#seconds.delete(place);
      if (entry) this.#forget(use, entry);
    } else if (entry) {
      entry.expectedUntil = undefined;
      entry.began = client.start;
    } else {
      const { id: connection, host: address, name, user, start: began } = client;
      const other = arrivalOf({ server: server.id, connection, address, name, user, began });
      if (other) this.#onOthersClient(useOf(other.key, other.arrival.use), other.arrival);
    }
  }

  // Another requester has let it in. When both let in a process of the same key at the same time, the one that came first
  // stays: the other is ended, comes again, and is then told of the first.
  #onOthersClient(use: string, entry: Arrival): void {
    const present = this.#byUse.get(use);
    const isSecond = present !== undefined && present.instance !== entry.instance;
    const [first, second] = isSecond && isLater(entry, present) ? [present, entry] : [entry, present];
    if (first === entry) this.#set(use, entry);
    if (!isSecond || !second) return;
    this.#seconds.set(placeOf(second), { use, entry: second });
    this.#options.clock.after(secondProcessMs, () => {
      if (!this.#seconds.delete(placeOf(second))) return;
      if (this.#byUse.get(use) === first) void this.endAt(second);
      else if (!this.#byUse.has(use)) this.#set(use, second);
    });
  }

  async #readAll(): Promise<void> {
    const { connection, accounts } = this.#options;
    try {
      const found = new Map<string, Arrival>();
      for (const client of await listClients(connection, nodesAccount, { accounts })) {
        const listed = arrivalOf(client);
        if (!listed) continue;
        const use = useOf(listed.key, listed.arrival.use);
        // Two processes of one key may have come at the same time. The first one counts.
        if (!found.has(use)) found.set(use, listed.arrival);
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
