// Whether the holder of the lease is silent for so long, or has so surely ended, that another requester may take the lease.
import { ProtocolError } from '../../protocol/error.ts';
import { leaseSubject } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import type { Holder } from './holder.ts';

/**
 * Times in milliseconds: how often the holder renews the lease; how often the others look at it; how long the holder may
 * act after it sent a renewal; how long the lease must not have been renewed until another requester takes it; and how long
 * one question to the holder waits for its answer.
 */
export const leaseTimesMs = { renew: 2_000, look: 1_000, sure: 4_000, expiry: 6_000, answer: 1_000 };

export interface HolderSilenceOptions {
  connection: Pick<Connection, 'state' | 'request'>;
  clusterId: string;
  clock: Clock;
  /** Called when another requester has renewed the lease, which tells that the store carries out writes. */
  onOthersWrite?(): void;
}

export class HolderSilence {
  readonly #options: HolderSilenceOptions;
  /** The revision that another requester wrote last, and the monotonic time when this one saw it first. */
  #seen: { revision: number; instance: string; at: number } | undefined;

  constructor(options: HolderSilenceOptions) {
    this.#options = options;
  }

  /** Lets the silence count from the next look. */
  restart(): void {
    this.#seen = undefined;
  }

  /** Whether this revision of the lease was looked at last. */
  hasSeen(revision: number): boolean {
    return this.#seen?.revision === revision;
  }

  /**
   * Returns whether another requester may take the lease from this holder, which wrote this revision of it. At a start, a holder
   * that has ended delays nothing. @throws BrokerError
   */
  async isOver(holder: Holder, revision: number, isStart: boolean): Promise<boolean> {
    const { clock } = this.#options;
    const { instance } = holder;
    if (this.#seen?.revision !== revision || this.#seen.instance !== instance) {
      if (this.#seen) this.#options.onOthersWrite?.();
      this.#seen = { revision, instance, at: clock.monotonic() };
    }
    const silentMs = clock.monotonic() - this.#seen.at;
    if (silentMs >= leaseTimesMs.expiry) return true;
    const isLate = isStart || silentMs > leaseTimesMs.renew + leaseTimesMs.look;
    return isLate && (await this.#hasEnded());
  }

  // Asks whether the holder has a connection. In a cluster of servers that proves nothing, because the holder may be on the
  // other side of a cut.
  async #hasEnded(): Promise<boolean> {
    const { connection, clusterId } = this.#options;
    const { state } = connection;
    if (state.kind !== 'connected' || state.isClustered) return false;
    try {
      await connection.request(leaseSubject(clusterId), '', leaseTimesMs.answer);
      return false;
    } catch (error) {
      if (error instanceof ProtocolError) return false;
      if (!(error instanceof BrokerError)) throw error;
      if (error.fault === 'no_responders') return true;
      if (error.fault === 'timeout') return false;
      throw error;
    }
  }
}
