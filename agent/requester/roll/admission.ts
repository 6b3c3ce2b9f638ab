// Admission decides whether there is room for one more node: on the waiting list, or among those that are approved by
// registration alone.
import type { Clock } from '../../system/clock.ts';
import { takeToken } from '../../system/token-buckets.ts';
import type { WaitingList } from './waiting-list.ts';

export interface RollPolicy {
  manualApproval: boolean;
  /**
   * Largest number of nodes that may be PENDING. Without manual approval, so many nodes are approved at once, and so many
   * more in each hour.
   */
  maxPending: number;
  /** Time after which a silent node is forgotten, in milliseconds; undefined when none is. */
  forgetAfter?: number | undefined;
}

/**
 * How many nodes may give way: a whole full list at once, or so many if the list is shorter, and then one more in so many
 * milliseconds. A flood of invented nodes must not fill the store and the event stream, but must not keep honest newcomers
 * out for long either.
 */
const giveWayLimits = { burst: 100, refillMs: 10 };

const hourMs = 3_600_000;

export interface AdmissionOptions {
  policy: RollPolicy;
  clock: Clock;
  waiting: WaitingList;
  /** Returns the number of PENDING nodes. */
  pending(): number;
}

/** The state of two token buckets; absent as long as nobody took a token. */
interface Buckets {
  gaveWay?: number;
  approved?: number;
}

/** Room for one node, reserved while its registration is written. */
export interface Place {
  /** Ends the reservation. `isTaken` says whether the node is on the roll now. */
  release(isTaken: boolean): void;
}

export class Admission {
  readonly #options: AdmissionOptions;
  /** Number of registrations that are being written. They count towards maxPending. */
  #arriving = 0;
  /**
   * The token buckets of the nodes that gave way, and of those that were approved by registration alone. Newcomers with a key
   * have their own, so that those without use up nothing of theirs.
   */
  readonly #withKey: Buckets = {};
  readonly #withoutKey: Buckets = {};

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Reserves a place for a newcomer with a key or without; undefined when there is none. */
  reserve(hasKey: boolean): Place | undefined {
    const { policy, pending } = this.#options;
    if (!policy.manualApproval) return this.#reserveApproval(this.#bucketsOf(hasKey));
    return pending() + this.#arriving < policy.maxPending ? this.#pendingPlace() : undefined;
  }

  /**
   * Reserves the place of a PENDING node that has to give way. `giveWay` removes that node from the roll, and returns
   * false when the node may stay. @throws any error of `giveWay`
   */
  async reserveFromOthers(
    hasKey: boolean,
    giveWay: (id: string) => Promise<boolean>,
  ): Promise<Place | undefined> {
    const { policy, clock, waiting, pending } = this.#options;
    // After the limit was lowered, the list is too long, and a newcomer in the place of another would keep it so.
    if (!policy.manualApproval || pending() > policy.maxPending) return undefined;
    const buckets = this.#bucketsOf(hasKey);
    const place = this.#pendingPlace();
    let isReserved = false;
    try {
      // A node that was heard or approved in the meantime stays. Then the next one is asked.
      for (let attempt = 1; attempt <= 8 && !isReserved; attempt++) {
        const limits = { ...giveWayLimits, burst: Math.max(giveWayLimits.burst, policy.maxPending) };
        const gaveWay = takeToken(buckets.gaveWay, clock.monotonic(), limits);
        const id = gaveWay === undefined ? undefined : waiting.take(hasKey);
        if (gaveWay === undefined || id === undefined) break;
        buckets.gaveWay = gaveWay;
        try {
          isReserved = await giveWay(id);
        } finally {
          waiting.putBack(id);
          if (!isReserved) buckets.gaveWay -= giveWayLimits.refillMs;
        }
      }
    } finally {
      if (!isReserved) place.release(false);
    }
    // An approval may have made room meanwhile.
    return isReserved ? place : this.reserve(hasKey);
  }

  #pendingPlace(): Place {
    this.#arriving++;
    return {
      release: () => {
        this.#arriving--;
      },
    };
  }

  #bucketsOf(hasKey: boolean): Buckets {
    return hasKey ? this.#withKey : this.#withoutKey;
  }

  #reserveApproval(buckets: Buckets): Place | undefined {
    const { policy, clock } = this.#options;
    if (policy.maxPending === 0) return undefined;
    const refillMs = hourMs / policy.maxPending;
    const approved = takeToken(buckets.approved, clock.monotonic(), { burst: policy.maxPending, refillMs });
    if (approved === undefined) return undefined;
    buckets.approved = approved;
    return {
      release: isTaken => {
        // A registration that was not stored gives its token back: a store that fails must not keep nodes out.
        if (!isTaken && buckets.approved !== undefined) buckets.approved -= refillMs;
      },
    };
  }
}
