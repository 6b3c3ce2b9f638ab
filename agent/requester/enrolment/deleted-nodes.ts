// Remembers the keys of nodes that an operator deleted, so that such a node can come back by hand without a join code.
import * as v from 'valibot';
import { memberships } from '../../protocol/node-state.ts';
import type { Log } from '../../system/log.ts';
import type { Bucket } from '../../transport/port.ts';
import { RecordSet } from '../cluster/record-set.ts';

const short = (limit = 128) => v.pipe(v.string(), v.maxLength(limit));
const deletedSchema = v.object({
  /** The key that was pinned to the node, `N…`. */
  key: short(),
  /** The join code with which the key came; absent when an operator took the key by hand. */
  code: v.optional(short()),
  /** The membership of the node before, and its host name; absent when they were not known. */
  membership: v.optional(v.picklist(memberships)),
  host: v.optional(short(255)),
  /** The operator who deleted it, the reason, and the time (RFC 3339). */
  actor: short(256),
  reason: v.optional(short(1024)),
  at: short(64),
});
export type DeletedNode = v.InferOutput<typeof deletedSchema>;

/** Number of deleted nodes that are remembered. The one that was deleted first is forgotten first. */
const maxDeletedNodes = 10_000;

export interface DeletedNodesOptions {
  bucket: Bucket;
  log: Log;
  /** Called with the join codes of a record before and after a change. The use of the code of a deleted node counts on. */
  onChange(before: string | undefined, after: string | undefined): void;
  /** Number of nodes that are remembered. */
  max?: number;
}

export class DeletedNodes {
  readonly set: RecordSet<DeletedNode>;
  readonly #max: number;

  constructor({ bucket, log, onChange, max = maxDeletedNodes }: DeletedNodesOptions) {
    this.set = new RecordSet({
      bucket,
      prefix: 'deleted.',
      schema: deletedSchema,
      log,
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
