// Remembers the keys of nodes that are not on the roll any more, so that such a node can come back without a join code: by hand
// one that an operator deleted, and by itself one that gave way to newcomers on the waiting list.
import * as v from 'valibot';
import type { Log } from '../../system/log.ts';
import type { Bucket } from '../../transport/port.ts';
import { RecordSet, type RecordSetOptions } from '../cluster/record-set.ts';
import type { LedgerMirror } from '../ledger/ledger.ts';
import { deletedSchema, type LedgerEntry } from '../ledger/ledger-entries.ts';

export type DeletedNode = LedgerEntry<'deleted'>;

const short = v.pipe(v.string(), v.maxLength(128));
const expiredSchema = v.object({
  /** The key that was pinned to the node, `N…`. */
  key: short,
  /** The time at which it gave way, RFC 3339. */
  at: short,
});
export type ExpiredNode = v.InferOutput<typeof expiredSchema>;

/** Number of nodes of each kind that are remembered. The one that left first is forgotten first, and then needs a join code. */
const maxNodes = 10_000;

export interface DeletedNodesOptions {
  bucket: Bucket;
  log: Log;
  /** Called with the join codes of a record before and after a change. The use of the code of a deleted node counts on. */
  onChange(before: string | undefined, after: string | undefined): void;
  /** Keeps the deleted nodes outside of the store too. */
  mirror?: LedgerMirror<DeletedNode> | undefined;
  /** Number of nodes that are remembered. */
  max?: number;
}

/** Returns the nodes that an operator deleted, which are read and followed by their set. */
export const deletedNodes = ({ onChange, max, ...options }: DeletedNodesOptions): FormerNodes<DeletedNode> =>
  new FormerNodes(
    {
      ...options,
      prefix: 'deleted.',
      schema: deletedSchema,
      onChange: (before, after) => onChange(before?.code, after?.code),
    },
    max,
  );

/** Returns the nodes that gave way to newcomers, which are read and followed by their set. */
export const expiredNodes = (bucket: Bucket, log: Log, max?: number): FormerNodes<ExpiredNode> =>
  new FormerNodes({ bucket, prefix: 'expired.', schema: expiredSchema, log }, max);

export class FormerNodes<T extends { at: string }> {
  readonly set: RecordSet<T>;
  readonly #max: number;

  constructor(options: RecordSetOptions<T>, max = maxNodes) {
    this.set = new RecordSet(options);
    this.#max = max;
  }

  of(id: string): T | undefined {
    return this.set.get(id);
  }

  /** Remembers a node that left, and forgets the oldest ones when there are too many. @throws BrokerError */
  async add(id: string, node: T): Promise<void> {
    await this.set.set(id, node);
    if (this.set.size <= this.#max) return;
    const oldest = [...this.set.entries()].sort(([, a], [, b]) => (a.at < b.at ? -1 : 1));
    for (const [old] of oldest.slice(0, this.set.size - this.#max)) await this.set.delete(old);
  }

  /** Forgets a node, because it came back, or because its id has a key again. @throws BrokerError */
  async remove(id: string): Promise<void> {
    await this.set.delete(id);
  }
}
