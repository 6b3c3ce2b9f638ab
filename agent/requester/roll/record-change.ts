// What a rule says of the record of a node: what takes its place, and what is told of that.
import type { RecordedChange } from '../../protocol/node-state.ts';
import type { Remembered } from '../../protocol/operation.ts';
import type { WriteRequest } from './store.ts';

/** What a rule says of a change. Without `write`, nothing changes. */
export interface RecordChange {
  /** What takes the place of the record. */
  write?: WriteRequest['state'];
  /** The change to announce. Without it, no event tells of the write. */
  change?: RecordedChange;
  /** The operation that the record remembers, of a write that no event tells of. */
  remembered?: Remembered;
  /** The operations of another record that this one remembers from now on, besides its own. */
  operations?: readonly string[];
}
