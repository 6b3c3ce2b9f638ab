// Knows the servers of a broker of one's own. Only their questions whether to let a client in are answered.
import type { Clock } from '../../system/clock.ts';
import type { Connection } from '../../transport/port.ts';
import { listServers } from './broker-clients.ts';

/** Time that passes between two lists, in monotonic milliseconds, so that forged questions cost little. */
const listedAgainMs = 1_000;

export class BrokerServers {
  readonly #connection: Pick<Connection, 'gather'>;
  readonly #clock: Clock;
  #known: ReadonlySet<string> = new Set();
  #listing: Promise<void> | undefined;
  #listedAt = Number.NEGATIVE_INFINITY;

  constructor(connection: Pick<Connection, 'gather'>, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /**
   * Returns whether the server with this id belongs to the broker. It asks the broker again about a server that it does not
   * know, at most once a second. @throws BrokerError when the broker does not answer.
   */
  async has(server: string): Promise<boolean> {
    if (this.#known.has(server)) return true;
    if (!this.#listing) {
      if (this.#clock.monotonic() - this.#listedAt < listedAgainMs) return false;
      this.#listing = this.#list().finally(() => {
        this.#listing = undefined;
      });
    }
    await this.#listing;
    return this.#known.has(server);
  }

  async #list(): Promise<void> {
    try {
      this.#known = new Set(await listServers(this.#connection));
    } finally {
      this.#listedAt = this.#clock.monotonic();
    }
  }
}
