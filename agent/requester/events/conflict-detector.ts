// Two agents that use one node id: told by a message of an older registration while the newer one is alive.
import type { Clock } from '../../system/clock.ts';

/** Milliseconds between two conflicts that are told of one node. */
const tellEvery = 60_000;

export interface ConflictsOptions {
  clock: Clock;
  /** Milliseconds after a registration in which a message of the one before may still have been on its way. */
  settling: number;
  /** Whether the registration of now is alive. */
  alive(node: string): boolean;
  /** Two agents were seen. */
  seen(): void;
  /** It is time to tell of it: at most once a node and minute. */
  tell(node: string): void;
}

export class Conflicts {
  readonly #options: ConflictsOptions;
  /** Monotonic milliseconds, by node. */
  readonly #registeredAt = new Map<string, number>();
  readonly #toldAt = new Map<string, number>();

  constructor(options: ConflictsOptions) {
    this.#options = options;
  }

  registered(node: string): void {
    this.#registeredAt.set(node, this.#options.clock.monotonic());
  }

  /** A message of a registration that is not the record's. */
  stranger(node: string): void {
    const { settling, alive, seen, tell, clock } = this.#options;
    if (this.#since(this.#registeredAt, node) < settling || !alive(node)) return;
    seen();
    if (this.#since(this.#toldAt, node) < tellEvery) return;
    this.#toldAt.set(node, clock.monotonic());
    tell(node);
  }

  /** The node is no longer on the roll. */
  forget(node: string): void {
    this.#registeredAt.delete(node);
    this.#toldAt.delete(node);
  }

  #since(times: Map<string, number>, node: string): number {
    return this.#options.clock.monotonic() - (times.get(node) ?? Number.NEGATIVE_INFINITY);
  }
}
