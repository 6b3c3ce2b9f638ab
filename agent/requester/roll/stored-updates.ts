// Stores the information that nodes send, no faster than each node may cause writes.
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { Clock } from '../../system/clock.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import { type HeldUpdate, HeldUpdates } from './held-updates.ts';
import { otherSession, type RequestOutcome, updateInfo } from './membership.ts';
import type { Records } from './record-table.ts';
import type { RecordWriter } from './record-writer.ts';
import { type StoredRecord, sessionOf } from './stored-record.ts';

/** Each node may have its information stored five times at once, and then every 10 s. Decisions are not limited. */
export const storedUpdateLimits = { burst: 5, refillMs: 10_000 };

export interface StoredUpdatesOptions {
  clock: Clock;
  records: Records;
  writer: Pick<RecordWriter, 'change' | 'isBusy'>;
  /** Returns the key that is pinned to a node; undefined when there is none, or the broker checks no keys. */
  publicKeyOf(id: string): string | undefined;
}

export class StoredUpdates {
  readonly #options: StoredUpdatesOptions;
  /** Limits the writes that each node can cause. */
  readonly #turns: TokenBuckets;
  readonly #held: HeldUpdates;

  constructor(options: StoredUpdatesOptions) {
    this.#options = options;
    const { clock } = options;
    this.#turns = new TokenBuckets(storedUpdateLimits, () => clock.monotonic());
    this.#held = new HeldUpdates({
      clock,
      untilTurnMs: id => this.untilTurnMs(id),
      takeTurn: id => this.takeTurn(id),
      store: id => this.#storeHeld(id),
    });
  }

  /** Takes one of the writes that a node may cause now. Returns false when there is none. */
  takeTurn(id: string): boolean {
    return this.#turns.take(id);
  }

  /** Returns the time until a node may cause a write again, in milliseconds. */
  untilTurnMs(id: string): number {
    return this.#turns.untilTokenMs(id);
  }

  /**
   * Applies node information that was sent under the session of the node's record. The store is asked only when the
   * information is new. Information that changes too often is accepted and stored later. @throws BrokerError when the
   * store does not answer.
   */
  async apply(info: NodeInfo): Promise<RequestOutcome> {
    const { records, writer, publicKeyOf } = this.#options;
    const id = info.NodeID;
    const session = sessionOf(records.stored(id));
    const publicKey = publicKeyOf(id);
    // A newer registration may be on its way to the store. Information from the older session must not replace it.
    const rule = (stored: StoredRecord) => this.#rule(stored, { info, session, publicKey });
    const outcome = rule(records.stored(id));
    if (!outcome.accepted) return outcome;
    const isBusy = writer.isBusy(id);
    if (outcome.write ? this.takeTurn(id) : !isBusy) {
      this.#held.drop(id);
      return outcome.write ? writer.change(id, rule) : outcome;
    }
    this.#held.hold(id, { info, session, publicKey });
    return { accepted: true, code: outcome.code, reason: outcome.reason };
  }

  /**
   * Accepts information that is what the record of a node has already. Returns false, and does nothing, while something of the
   * node is being written: use `apply` then.
   */
  acceptKnown(id: string): boolean {
    if (this.#options.writer.isBusy(id)) return false;
    this.#held.drop(id);
    return true;
  }

  /** Holds the information of a node without a session, until its turn comes. */
  hold(info: NodeInfo): void {
    const id = info.NodeID;
    this.#held.hold(id, { info, session: undefined, publicKey: this.#options.publicKeyOf(id) });
  }

  /** Drops what is held of a node, because its record is newer, or is gone. */
  drop(id: string): void {
    this.#held.drop(id);
  }

  /** Stores the information that was accepted and still waits for its turn. Never rejects. */
  async storeHeld(): Promise<void> {
    await this.#held.storeAll();
  }

  /** Ends the timers. What is held stays until `storeHeld` is called. */
  stop(): void {
    this.#held.stop();
  }

  #rule(stored: StoredRecord, { info, session, publicKey }: HeldUpdate): RequestOutcome {
    const { clock, publicKeyOf } = this.#options;
    const isOther =
      (stored.kind === 'record' && sessionOf(stored) !== session) || publicKeyOf(info.NodeID) !== publicKey;
    return isOther ? otherSession(info.NodeID) : updateInfo(stored, info, clock.now().toISOString());
  }

  // Stores what is held of a node, if it is still the newest that is known of the node, and drops it.
  async #storeHeld(id: string): Promise<void> {
    let update: HeldUpdate | undefined;
    await this.#options.writer.change(id, (stored): Partial<RequestOutcome> => {
      update = this.#held.get(id);
      return update ? this.#rule(stored, update) : {};
    });
    if (update) this.#held.drop(id, update);
  }
}
