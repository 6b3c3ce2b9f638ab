// Decides when a node leaves its broker for another one: its requester says that it has no quorum, or answers nothing.
import { type Answer, hasNoQuorum } from '../../protocol/answers.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { backoff, type Random } from '../../system/random.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';

export interface OtherBrokerOptions {
  node: string;
  connection: Pick<Connection, 'moveOn'>;
  clock: Clock;
  random: Random;
  log: Log;
}

/** Requests in a row without an answer, and the silence in milliseconds, after which the node moves. */
const unanswered = { requests: 3, ms: 15_000 };
/** The longest random time before the next connection, in milliseconds: all nodes of a broker leave it together. */
const spreadMs = 2_000;
/** The longest time between two moves, in milliseconds. It doubles while no move helps; at random it is half of that. */
const betweenMovesMs = { first: 30_000, max: 300_000 };

/** The moves of one node from broker to broker. */
export class OtherBroker {
  readonly #options: OtherBrokerOptions;
  #unanswered = 0;
  /** Moves since the last answer of a requester that has a quorum. */
  #moves = 0;
  /** Time before which the node does not move again, in monotonic milliseconds. */
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(options: OtherBrokerOptions) {
    this.#options = options;
  }

  onAnswer(answer: Answer): void {
    this.#unanswered = 0;
    if (hasNoQuorum(answer)) this.#move('its requester has no quorum');
    else this.#moves = 0;
  }

  /** Notes that a request got no answer. `silenceMs` is the time since the last one. */
  onNoAnswer(error: Error, silenceMs: number): void {
    if (!(error instanceof BrokerError) || !/^(timeout|no_responders)$/.test(error.fault)) return;
    this.#unanswered++;
    if (this.#unanswered >= unanswered.requests && silenceMs >= unanswered.ms)
      this.#move(`${this.#unanswered} requests got no answer`);
  }

  #move(why: string): void {
    const { connection, clock, random, log, node } = this.#options;
    const now = clock.monotonic();
    if (now < this.#notBefore) return;
    if (!connection.moveOn(random.fraction() * spreadMs)) return;
    this.#unanswered = 0;
    this.#notBefore = now + backoff(random, this.#moves++, betweenMovesMs.first, betweenMovesMs.max);
    log.info({ node }, `leaving this broker for another one: ${why}`);
  }
}
