// Asks the requester soon after the broker lost sight of most of its servers. The broker may be cut off from the side where
// requests are carried out, and a node learns that only from requests that nobody answers.
import type { Clock, Timer } from '../../system/clock.ts';
import type { Random } from '../../system/random.ts';
import type { Connection } from '../../transport/port.ts';

export interface FewerServersOptions {
  connection: Pick<Connection, 'named'>;
  clock: Clock;
  random: Random;
  /** Sends a request to the requester. */
  ask(): void;
}

/** Number of requests after a loss: a node that gets no answer to so many leaves its broker (`other-broker.ts`). */
const requests = 3;
/**
 * Time between two of them in milliseconds, to which as much as `spread` is added at random: all nodes of a broker notice a loss
 * together.
 */
const between = { ms: 5_000, spreadMs: 2_000 };

export class FewerServers {
  readonly #options: FewerServersOptions;
  /** The largest number of servers that was named since the last loss. */
  #most = 0;
  #timer: Timer | undefined;

  constructor(options: FewerServersOptions) {
    this.#options = options;
  }

  /** Looks at what the broker names now. The agent calls it after each connection, and when the broker names others. */
  onNamed(): void {
    const count = this.#options.connection.named().length;
    // A broker that names nobody has not said that all are gone.
    if (count === 0) return;
    const isLoss = 2 * count <= this.#most;
    if (isLoss || count > this.#most) this.stop();
    if (isLoss) this.#ask(requests);
    this.#most = isLoss ? count : Math.max(count, this.#most);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #ask(times: number): void {
    const { clock, random, ask } = this.#options;
    if (times === 0) return;
    this.#timer = clock.after(between.ms + random.fraction() * between.spreadMs, () => {
      ask();
      this.#ask(times - 1);
    });
  }
}
