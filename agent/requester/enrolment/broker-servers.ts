// Knows the servers of a broker of one's own. Only their questions whether to let a client in are answered.
import { type Clock, sleep } from '../../system/clock.ts';
import type { Connection } from '../../transport/port.ts';
import { listServers } from './broker-clients.ts';

/** Time that passes between two lists, in monotonic milliseconds, so that forged questions cost little. */
const listedAgainMs = 1_000;

export class BrokerServers {
  readonly #connection: Pick<Connection, 'gather'>;
  readonly #clock: Clock;
  #known: ReadonlySet<string> = new Set();
  /** Ends when the list was read that was begun last. */
  #listing: Promise<void> | undefined;
  /** Ends when the list was read that somebody waits for, and that has not begun. */
  #next: Promise<void> | undefined;
  #listedAt = Number.NEGATIVE_INFINITY;

  constructor(connection: Pick<Connection, 'gather'>, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /**
   * Returns whether the server with this id belongs to the broker. It waits for a new list when it does not know the server,
   * which is read at most once a second. @throws BrokerError when the broker does not answer.
   */
  async has(server: string): Promise<boolean> {
    if (this.#known.has(server)) return true;
    await this.#listing?.catch(() => undefined);
    if (this.#known.has(server)) return true;
    // That list may be older than the server.
    this.#next ??= this.#listNext();
    await this.#next;
    return this.#known.has(server);
  }

  async #listNext(): Promise<void> {
    const waitMs = this.#listedAt + listedAgainMs - this.#clock.monotonic();
    // This runs later than the assignment in `has`, also when nothing has to be waited for.
    await (waitMs > 0 ? sleep(this.#clock, waitMs) : null);
    this.#next = undefined;
    this.#listing = this.#list();
    await this.#listing;
  }

  async #list(): Promise<void> {
    try {
      this.#known = new Set(await listServers(this.#connection));
    } finally {
      this.#listedAt = this.#clock.monotonic();
    }
  }
}
