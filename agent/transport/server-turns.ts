// Says which broker is tried next: those that were configured, beginning with a random one, and then those that were
// learned.
import type { Random } from '../system/random.ts';
import { type Server, serverSource } from './server.ts';

type Urls = () => readonly string[];

export class ServerTurns {
  readonly #configured: () => readonly Server[];
  readonly #learned: () => readonly Server[];
  /** Number of turns so far, with the random beginning. */
  #turns: number;

  /** @throws MusterError `bad_config` when one of the configured ones is not an address. */
  constructor(configured: Urls, learned: Urls, random: Random) {
    this.#configured = serverSource(configured);
    this.#learned = serverSource(learned, { mayBeEmpty: true });
    this.#turns = Math.floor(random.fraction() * this.#configured().length);
  }

  /** All servers, the configured ones first. A learned one that is configured too is there once. */
  get servers(): readonly Server[] {
    const configured = this.#configured();
    const isConfigured = ({ host, port }: Server) =>
      configured.some(each => each.host === host && each.port === port);
    return [...configured, ...this.#learned().filter(server => !isConfigured(server))];
  }

  /** Returns the server whose turn it is. */
  next(): Server | undefined {
    const { servers } = this;
    return servers[this.#turns++ % servers.length];
  }
}
