// Remembers the keys of nodes that gave way to newcomers on the waiting list, so that such a node comes back by itself, without
// another join code.
import * as v from 'valibot';
import type { Log } from '../../system/log.ts';
import type { Bucket } from '../../transport/port.ts';
import { RecordSet } from '../cluster/record-set.ts';

const short = v.pipe(v.string(), v.maxLength(128));
const expiredSchema = v.object({
  /** The key that was pinned to the node, `N…`. */
  key: short,
  /** The time at which it gave way, RFC 3339. */
  at: short,
});
export type ExpiredNode = v.InferOutput<typeof expiredSchema>;

/** Number of nodes that are remembered. The one that gave way first is forgotten first, and then needs a join code. */
const maxExpiredNodes = 10_000;

export class ExpiredNodes {
  readonly set: RecordSet<ExpiredNode>;
  readonly #max: number;

  constructor(bucket: Bucket, log: Log, max = maxExpiredNodes) {
    this.set = new RecordSet({ bucket, prefix: 'expired.', schema: expiredSchema, log });
    this.#max = max;
  }

  of(id: string): ExpiredNode | undefined {
    return this.set.get(id);
  }

  /** Remembers a node that gave way, and forgets the oldest ones when there are too many. @throws BrokerError */
  async add(id: string, node: ExpiredNode): Promise<void> {
    await this.set.set(id, node);
    if (this.set.size <= this.#max) return;
    const oldest = [...this.set.entries()].sort(([, a], [, b]) => (a.at < b.at ? -1 : 1));
    for (const [old] of oldest.slice(0, this.set.size - this.#max)) await this.set.delete(old);
  }

  /** Forgets a node, because its id has a key again. @throws BrokerError */
  async remove(id: string): Promise<void> {
    await this.set.delete(id);
  }
}
