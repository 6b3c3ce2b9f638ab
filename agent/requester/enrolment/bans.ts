// The bans are the keys that an operator refused for ever, because their machine was stolen or does harm.
import { fingerprint } from '../../protocol/nkey.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { Bucket } from '../../transport/port.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import { hasDone, removalHeaders, withOperation } from '../cluster/record-operations.ts';
import { RecordSet } from '../cluster/record-set.ts';
import type { Act } from '../events/requester-events.ts';
import type { LedgerMirror } from '../ledger/ledger.ts';
import { banSchema, type LedgerEntry } from '../ledger/ledger-entries.ts';

export type Ban = LedgerEntry<'ban'>;

/** Largest number of bans. Nobody bans as many machines by hand, and the requester holds all of them in memory. */
const maxBans = 10_000;

export interface BansOptions {
  /** Keeps the bans outside of the store too. */
  mirror?: LedgerMirror<Ban> | undefined;
  /** Called after another requester has banned a key. */
  onOthersBan?: ((key: string) => void) | undefined;
}

export class Bans {
  readonly set: RecordSet<Ban>;

  constructor(bucket: Bucket, log: Log, { mirror, onOthersBan }: BansOptions = {}) {
    this.set = new RecordSet({
      bucket,
      prefix: 'ban.',
      schema: banSchema,
      log,
      mirror,
      onOthersChange: (key, _, after) => after && onOthersBan?.(key),
    });
  }

  of(key: string): Ban | undefined {
    return this.set.get(key);
  }

  /** Returns all bans with their keys, the newest first. */
  list(): { key: string; ban: Ban }[] {
    return [...this.set.entries()]
      .map(([key, ban]) => ({ key, ban }))
      .sort((a, b) => (a.ban.at > b.ban.at ? -1 : 1));
  }

  /** Returns the banned key with this fingerprint; undefined when there is none. */
  find(wanted: string): string | undefined {
    return [...this.set.entries()].find(([key]) => fingerprint(key) === wanted)?.[0];
  }

  /** Bans a key by an operation. A second ban changes nothing. @throws BrokerError; MusterError `conflict` when there are too many. */
  async add(key: string, ban: Ban, operation?: string): Promise<void> {
    if (this.set.get(key)) return;
    if (this.set.size >= maxBans) {
      throw new MusterError('conflict', `${maxBans} keys are banned already, and no more can be`, {
        hint: 'lift some bans: muster node bans, muster node unban FINGERPRINT',
      });
    }
    const before = await this.set.removedOperations(key);
    const record = { ...ban, ...withOperation(before, 'banned', operation) };
    await this.set.set(key, record).catch(error => {
      // Another requester has banned it at the same moment.
      if (!wasChanged(error) || !this.set.get(key)) throw error;
    });
  }

  /** Lifts a ban. Returns false when the operation has lifted an earlier ban of this key: this one stays. @throws BrokerError */
  async remove(key: string, act: Act): Promise<boolean> {
    const operations = this.of(key)?.operations;
    if (hasDone(operations, 'unbanned', act.operation)) return false;
    await this.set.delete(key, removalHeaders(operations, 'unbanned', act));
    return true;
  }
}
