// Keeps the places of registrations that the store did not answer. Each of them may still be carried out, and would then be one
// node more than there is room for.
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { inGroups } from '../../system/in-groups.ts';
import { Rounds } from '../../system/rounds.ts';
import { BrokerError } from '../../transport/port.ts';
import type { Place } from './admission.ts';

export interface DoubtfulPlacesOptions {
  clock: Clock;
  /** Reads the record of a node from the store, and returns whether the node is on the roll. @throws BrokerError */
  isOnRoll(id: string): Promise<boolean>;
}

/** Time between two questions to a store that did not answer, in milliseconds. */
const pauseMs = 1_000;
/** Number of records that are read at the same time. */
const atOnce = 16;

export class DoubtfulPlaces {
  readonly #options: DoubtfulPlacesOptions;
  readonly #places = new Map<string, Place>();
  readonly #rounds: Rounds;

  constructor(options: DoubtfulPlacesOptions) {
    this.#options = options;
    this.#rounds = new Rounds({
      clock: options.clock,
      pauseMs,
      isNeeded: () => this.#places.size > 0,
      work: () => inGroups([...this.#places.keys()], atOnce, id => this.#settle(id)),
    });
    this.#rounds.start();
  }

  /** Keeps a place until the store has told whether the node has taken it. A node keeps one place. */
  keep(id: string, place: Place): void {
    if (this.#places.has(id)) {
      place.release(false);
      return;
    }
    this.#places.set(id, place);
    this.#rounds.plan();
  }

  /** Gives the place back that is kept for a node, because the node registers again; undefined when there is none. */
  take(id: string): Place | undefined {
    const place = this.#places.get(id);
    this.#places.delete(id);
    return place;
  }

  stop(): void {
    this.#rounds.stop();
  }

  // Returns false when the store still does not answer.
  async #settle(id: string): Promise<boolean> {
    if (!this.#rounds.isOn) return false;
    try {
      const isTaken = await this.#options.isOnRoll(id);
      this.take(id)?.release(isTaken);
      return true;
    } catch (error) {
      if (!(error instanceof BrokerError || error instanceof MusterError)) throw error;
      return false;
    }
  }
}
