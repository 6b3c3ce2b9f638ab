// Removes the markers of nodes that gave way. In a flood of invented nodes, they would fill the store.
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { inGroups } from '../../system/in-groups.ts';
import { Rounds } from '../../system/rounds.ts';
import { BrokerError } from '../../transport/port.ts';

export interface ExpiredMarkersOptions {
  clock: Clock;
  /**
   * Removes a marker, unless something newer is under its id. Returns false when it is too early, because the event of
   * the change is not acknowledged yet. @throws BrokerError
   */
  remove(id: string, revision: number): Promise<boolean>;
  /** Whether this requester watches, and so removes the markers from the store. */
  watches(): boolean;
}

/**
 * Time that a marker stays at least, and time between two rounds, in milliseconds. A requester that does not watch forgets
 * a marker earlier, so that it misses none that was removed.
 */
const keptMs = { watching: 60_000, otherwise: 45_000 };
const roundMs = 5_000;
/** The largest number of markers that are removed in one round, and at the same time. */
const perRound = 1_000;
const atOnce = 8;

export class ExpiredMarkers {
  readonly #options: ExpiredMarkersOptions;
  /** The markers, the oldest first: id, revision, and the monotonic time of their discovery. */
  readonly #markers = new Map<string, { revision: number; at: number }>();
  readonly #rounds: Rounds;

  constructor(options: ExpiredMarkersOptions) {
    this.#options = options;
    this.#rounds = new Rounds({
      clock: options.clock,
      pauseMs: roundMs,
      isNeeded: () => this.#markers.size > 0,
      work: () => this.#removeDue(),
    });
    this.#rounds.start();
  }

  /** Notes a marker that is removed after a while. */
  add(id: string, revision: number): void {
    this.#markers.delete(id);
    this.#markers.set(id, { revision, at: this.#options.clock.monotonic() });
    this.#rounds.plan();
  }

  stop(): void {
    this.#rounds.stop();
  }

  async #removeDue(): Promise<void> {
    const { clock, watches } = this.#options;
    const until = clock.monotonic() - (watches() ? keptMs.watching : keptMs.otherwise);
    const oldest = this.#markers.entries().take(perRound);
    const due = oldest.filter(([, { at }]) => at <= until).toArray();
    // When the store does not answer, the next round tries again.
    await inGroups(due, atOnce, async ([id, each]) => this.#rounds.isOn && this.#remove(id, each));
  }

  async #remove(id: string, marker: { revision: number; at: number }): Promise<boolean> {
    try {
      const isRemoved = await this.#options.remove(id, marker.revision);
      if (this.#markers.get(id) !== marker) return true;
      if (isRemoved) this.#markers.delete(id);
      else this.add(id, marker.revision);
      return true;
    } catch (error) {
      // A MusterError says that the store may not be written.
      if (!(error instanceof BrokerError || error instanceof MusterError)) throw error;
      return false;
    }
  }
}
