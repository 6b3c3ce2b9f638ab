// The connections that listeners have at the broker: how many each listener may have, and how all of them are ended.
import type { AccountKeys } from '../../protocol/account-keys.ts';
import { listenersAccount, liveAccount, nodesAccount } from '../../protocol/callout.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { maxListenerConnections } from '../../protocol/listener.ts';
import type { Clock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import { type BrokerClient, endClient, listClients } from '../enrolment/broker-clients.ts';
import { brokerNameOf, listenerNameOf } from './listener-access.ts';

/** Where a connection is: the id of the broker's server, and the number of the connection there. */
type Place = Pick<BrokerClient, 'server' | 'connection'>;

/** The accounts in which a listener may be: to read events, to hear them live, and to speak with approved nodes. */
const accounts = [listenersAccount, liveAccount, nodesAccount];
/** Time within which a client that was let in appears in the broker's list, in milliseconds. */
const arrivalMs = 15_000;

export interface ListenerConnectionsOptions {
  connection: Connection;
  /** The accounts on a NATS with an operator. */
  accounts?: AccountKeys | undefined;
  clock: Clock;
  log: Log;
}

export class ListenerConnections {
  readonly #options: ListenerConnectionsOptions;
  readonly #limited: LimitedLog;
  /** The clients of each listener that were let in a moment ago, and may not be in the broker's list yet. */
  readonly #arriving = new Map<string, { place: Place; until: number }[]>();

  constructor(options: ListenerConnectionsOptions) {
    this.#options = options;
    this.#limited = limitedLog(options.log, options.clock);
  }

  /** Notes that a client is being let in. */
  expect(name: string, place: Place): void {
    const now = this.#options.clock.monotonic();
    const others = (this.#arriving.get(name) ?? []).filter(({ until }) => until > now);
    this.#arriving.set(name, [...others, { place, until: now + arrivalMs }]);
  }

  /**
   * Ends the oldest connections of a listener, which may be those of dead programs, so that it may have one more. Never rejects: a fault is logged.
   */
  async makeRoom(name: string): Promise<void> {
    await this.#tell(name, async () => {
      const present = await this.#list(name);
      await this.#end(present.slice(0, Math.max(0, present.length - maxListenerConnections + 1)));
    });
  }

  /** Ends all connections of a listener. Never rejects: a fault is logged. */
  async endAll(name: string): Promise<void> {
    await this.endArriving(name);
    await this.#tell(name, async () => this.#end(await this.#list(name)));
  }

  /**
   * Ends the connections of a listener that were let in a moment ago, by their places, because the broker's list may not have
   * them yet. Never rejects: a fault is logged.
   */
  async endArriving(name: string): Promise<void> {
    const arriving = (this.#arriving.get(name) ?? []).map(({ place }) => place);
    this.#arriving.delete(name);
    if (arriving.length > 0) await this.#tell(name, () => this.#end(arriving));
  }

  /**
   * Returns how many messages each listener that reads stored events has sent on each of its connections; undefined when the
   * broker does not tell, which is logged.
   */
  async sent(): Promise<Map<string, Map<string, number>> | undefined> {
    let found: Map<string, Map<string, number>> | undefined;
    await this.#tell(undefined, async () => {
      const { connection, accounts: keys } = this.#options;
      const clients = await listClients(connection, listenersAccount, { accounts: keys });
      found = new Map();
      for (const { server, connection, user, sent } of clients) {
        const name = listenerNameOf(user);
        if (name === undefined) continue;
        const ofListener = found.get(name) ?? new Map<string, number>();
        found.set(name, ofListener.set(`${server} ${connection}`, sent));
      }
    });
    return found;
  }

  /** Returns the connections of a listener, the oldest first. */
  async #list(name: string): Promise<BrokerClient[]> {
    const { connection, accounts: keys } = this.#options;
    const user = brokerNameOf(name);
    const lists = await Promise.all(
      accounts.map(account => listClients(connection, account, { user, accounts: keys })),
    );
    const own = lists.flat().filter(client => client.user === user);
    const beganAt = ({ began }: BrokerClient) => Date.parse(began) || 0;
    return own.sort((a, b) => beganAt(a) - beganAt(b) || a.connection - b.connection);
  }

  async #end(places: readonly Place[]): Promise<void> {
    await Promise.all(places.map(place => endClient(this.#options.connection, place)));
  }

  async #tell(name: string | undefined, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (err) {
      if (!(err instanceof BrokerError || err instanceof ProtocolError)) throw err;
      const text = 'the connections of a listener could not be listed or ended';
      this.#limited.warn('connections', { listener: name, err }, text);
    }
  }
}
