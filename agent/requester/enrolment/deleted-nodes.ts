// Remembers the keys of nodes that an operator deleted, so that such a node can come back by hand without a join code.
import type { Log } from '../../system/log.ts';
import type { Bucket } from '../../transport/port.ts';
import { RecordSet } from '../cluster/record-set.ts';
import type { LedgerMirror } from '../ledger/ledger.ts';
import { deletedSchema, type LedgerEntry } from '../ledger/ledger-entries.ts';

export type DeletedNode = LedgerEntry<'deleted'>;

/** Number of deleted nodes that are remembered. The one that was deleted first is forgotten first. */
const maxDeletedNodes = 10_000;

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

export class DeletedNodes {
  readonly set: RecordSet<DeletedNode>;
  readonly #max: number;

  constructor({ bucket, log, onChange, mirror, max = maxDeletedNodes }: DeletedNodesOptions) {
    this.set = new RecordSet({
      bucket,
      prefix: 'deleted.',
      schema: deletedSchema,
      log,
      mirror,
      onChange: (before, after) => onChange(before?.code, after?.code),
    });
    this.#max = max;
  }

  of(id: string): DeletedNode | undefined {
    return this.set.get(id);
  }

  /** Remembers a deleted node, and forgets the oldest ones when there are too many. @throws BrokerError */
  async add(id: string, node: DeletedNode): Promise<void> {
    await this.set.set(id, node);
    if (this.set.size <= this.#max) return;
    const oldest = [...this.set.entries()].sort(([, a], [, b]) => (a.at < b.at ? -1 : 1));
    for (const [old] of oldest.slice(0, this.set.size - this.#max)) await this.set.delete(old);
  }

  /** Forgets a node, because it came back. @throws BrokerError */
  async remove(id: string): Promise<void> {
    await this.set.delete(id);
  }
}
