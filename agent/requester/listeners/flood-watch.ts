// Notices a listener that sends far more requests than it reads events: the broker remembers for each where its answer goes,
// and would run out of memory.
import type { Clock } from '../../system/clock.ts';
import { Rounds } from '../../system/rounds.ts';

/** What a listener has sent on its connections, and what was delivered to it, counted since some time. */
export interface Traffic {
  /** Number of messages on each connection. A connection that ends takes its number along. */
  sent: ReadonlyMap<string, number>;
  /** Number of events that were delivered; undefined when it is not known. */
  delivered: number | undefined;
}

export interface FloodWatchOptions {
  clock: Clock;
  /** Returns the traffic of each listener that is connected, by name; undefined when the broker does not tell. */
  traffic(): Promise<ReadonlyMap<string, Traffic> | undefined>;
  /** Called for a listener that sends too much. */
  onFlood(name: string, excess: number): void;
}

const checkIntervalMs = 5_000;
/** Number of messages in one interval that a listener may send without reading an event. */
const maxExcess = 5_000;

/**
 * Returns how many messages more a listener has sent between two looks than the two that each event takes: a request and an
 * acknowledgement.
 */
export function excessOf(before: Traffic | undefined, now: Traffic): number {
  let sent = 0;
  for (const [place, count] of now.sent) sent += count - (before?.sent.get(place) ?? 0);
  const delivered = Math.max(0, (now.delivered ?? 0) - (before?.delivered ?? 0));
  return sent - 2 * delivered;
}

export class FloodWatch {
  readonly #options: FloodWatchOptions;
  #before: ReadonlyMap<string, Traffic> = new Map();
  readonly #rounds: Rounds;

  constructor(options: FloodWatchOptions) {
    this.#options = options;
    this.#rounds = new Rounds({
      clock: options.clock,
      pauseMs: checkIntervalMs,
      work: () => this.#check(),
    });
  }

  /** Looks every five seconds until it is stopped. */
  start(): void {
    this.#rounds.start();
  }

  stop(): void {
    this.#rounds.stop();
  }

  async #check(): Promise<void> {
    const now = await this.#options.traffic();
    if (!now) return;
    const before = this.#before;
    this.#before = now;
    for (const [name, traffic] of now) {
      const excess = excessOf(before.get(name), traffic);
      if (excess > maxExcess) this.#options.onFlood(name, excess);
    }
  }
}
