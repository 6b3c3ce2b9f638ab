// Decides whether a store is older than its mark says. These are pure functions.
import type { BucketState } from '../../transport/port.ts';
import type { Mark, OlderStore } from './store-mark-file.ts';

/** A store as a start finds it: the state of the bucket before this start wrote to it, and the restore that it names. */
type FoundStore = Pick<BucketState, 'created' | 'lastRevision'> & { restoredAtMs?: number };

/** Returns whether a requester of the roll restored this store on purpose since the mark was written. */
export const isNewlyRestored = (mark: Mark | undefined, { restoredAtMs = 0 }: FoundStore): boolean =>
  mark !== undefined && restoredAtMs > (mark.newestRestoreAtMs ?? 0);

/**
 * Compares a store with its mark. Returns the revision of an older store and the one that it should have; undefined when the
 * store is not older.
 */
export function findOlder(
  mark: Mark | undefined,
  cluster: string,
  store: FoundStore,
): Pick<OlderStore, 'revision' | 'expected'> | undefined {
  // The store of another cluster is not an older one, and neither is one that began anew.
  if (!mark || mark.cluster !== cluster || isNewlyRestored(mark, store)) return undefined;
  const { created, lastRevision, restoredAtMs = 0 } = store;
  const isEarlier = Date.parse(created) < Date.parse(mark.created);
  // A cluster names no time of creation, and makes no new store by itself.
  const isSame = created === mark.created || created === '' || mark.created === '';
  // Before a restore the store may have been further than it is now.
  const isBeforeRestore = restoredAtMs < (mark.storeRestoredAtMs ?? 0);
  const isBehind = isSame && (isBeforeRestore || lastRevision < mark.revision);
  return isEarlier || isBehind ? { revision: lastRevision, expected: mark.revision } : undefined;
}
