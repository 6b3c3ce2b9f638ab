// The bans are the keys that an operator refused for ever, because their machine was stolen or does harm.
import * as v from 'valibot';
import { fingerprint } from '../../protocol/nkey.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { Bucket } from '../../transport/port.ts';
import { RecordSet } from '../cluster/record-set.ts';

const banSchema = v.object({
  /** The node that had the key. */
  id: v.pipe(v.string(), v.maxLength(128)),
  /** The operator, and the reason that the operator gave; it may be empty. */
  actor: v.pipe(v.string(), v.maxLength(256)),
  reason: v.pipe(v.string(), v.maxLength(1024)),
  /** The time of the ban, RFC 3339. */
  at: v.pipe(v.string(), v.maxLength(64)),
});
export type Ban = v.InferOutput<typeof banSchema>;

/** Largest number of bans. Nobody bans as many machines by hand, and the requester holds all of them in memory. */
const maxBans = 10_000;

export class Bans {
  readonly set: RecordSet<Ban>;

  constructor(bucket: Bucket, log: Log) {
    this.set = new RecordSet({ bucket, prefix: 'ban.', schema: banSchema, log });
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

  /** Bans a key. A second ban changes nothing. @throws BrokerError; MusterError `conflict` when there are too many. */
  async add(key: string, ban: Ban): Promise<void> {
    if (this.set.get(key)) return;
    if (this.set.size >= maxBans) {
      throw new MusterError('conflict', `${maxBans} keys are banned already, and no more can be`, {
        hint: 'lift some bans: muster node bans, muster node unban FINGERPRINT',
      });
    }
    await this.set.set(key, ban);
  }

  /** Lifts a ban. @throws BrokerError */
  async remove(key: string): Promise<void> {
    await this.set.delete(key);
  }
}
