// Holds the information of nodes that change it faster than it may be stored. The latest is stored when its turn comes.
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { BrokerError } from '../../transport/port.ts';

/** Information that was accepted and is not stored yet. */
export interface HeldUpdate {
  readonly info: NodeInfo;
  /** The session under which it was sent; undefined for a Bacalhau node. */
  readonly session: string | undefined;
  /** The key that the node had then; undefined for one without. */
  readonly publicKey: string | undefined;
}

export interface HeldUpdatesOptions {
  clock: Clock;
  /** Returns the time until the node may be stored again, in milliseconds. */
  untilTurnMs(id: string): number;
  /** Takes the node's turn. Returns false when something else of the node was stored first. */
  takeTurn(id: string): boolean;
  /** Stores what is held of a node, and drops it. It is called again later if it throws BrokerError or drops nothing. */
  store(id: string): Promise<void>;
}

/** Time after which a store that failed is asked again, in milliseconds. */
const retryMs = 10_000;

/** At most one update of each node waits here. A newer one takes its place. */
export class HeldUpdates {
  readonly #options: HeldUpdatesOptions;
  readonly #held = new Map<string, HeldUpdate>();
  readonly #timers = new Map<string, Timer>();
  readonly #storing = new Set<string>();
  #stopped = false;

  constructor(options: HeldUpdatesOptions) {
    this.#options = options;
  }

  get(id: string): HeldUpdate | undefined {
    return this.#held.get(id);
  }

  get size(): number {
    return this.#held.size;
  }

  /** Holds the update in place of an earlier one, and plans when it is stored. */
  hold(id: string, update: HeldUpdate): void {
    this.#held.set(id, update);
    if (!this.#timers.has(id) && !this.#storing.has(id)) this.#plan(id, this.#options.untilTurnMs(id));
  }

  /** Drops what is held of a node, because the record is newer. With `only`, it drops no other update than this one. */
  drop(id: string, only?: HeldUpdate): void {
    if (only && this.#held.get(id) !== only) return;
    this.#held.delete(id);
    this.#timers.get(id)?.cancel();
    this.#timers.delete(id);
  }

  /** Plans nothing any more. What is held stays until `storeAll` is called. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  /** Stores everything that is held, without waiting for its turn. It never rejects; what fails stays held. */
  async storeAll(): Promise<void> {
    await Promise.all([...this.#held.keys()].map(id => this.#store(id)));
  }

  #plan(id: string, waitMs: number): void {
    if (this.#stopped) return;
    const onTurn = () => {
      this.#timers.delete(id);
      if (!this.#options.takeTurn(id)) return this.#plan(id, this.#options.untilTurnMs(id));
      this.#storing.add(id);
      void this.#store(id).then(failed => {
        this.#storing.delete(id);
        if (this.#held.has(id)) this.#plan(id, failed ? retryMs : this.#options.untilTurnMs(id));
      });
    };
    this.#timers.set(id, this.#options.clock.after(waitMs, onTurn));
  }

  // Returns whether the store failed. The failure is not logged here, because a node that asks for a write gets it as
  // answer.
  async #store(id: string): Promise<boolean> {
    try {
      await this.#options.store(id);
      return false;
    } catch (error) {
      // A MusterError says that the store may not be written.
      if (!(error instanceof BrokerError || error instanceof MusterError)) throw error;
      return true;
    }
  }
}
