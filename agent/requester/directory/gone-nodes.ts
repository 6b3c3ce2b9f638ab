// Shows the nodes that are gone, and what was known of each.
import { fingerprint } from '../../protocol/nkey.ts';
import type { GoneNode, ShownTombstone, Tombstone } from '../../protocol/tombstone.ts';
import type { StoredRecord } from '../roll/stored-record.ts';
import { wholeTombstone } from '../roll/tombstones.ts';

/**
 * Returns the nodes that are gone and of which more is known than that, the latest first. `sinceMs` leaves out those that went
 * earlier than this before `now`.
 */
export function goneNodes(
  entries: Iterable<[id: string, stored: StoredRecord]>,
  now: Date,
  sinceMs = Number.POSITIVE_INFINITY,
): GoneNode[] {
  const since = now.getTime() - sinceMs;
  const gone: GoneNode[] = [];
  for (const [NodeID, stored] of entries) {
    const tombstone = wholeTombstone(stored);
    if (tombstone && Date.parse(tombstone.GoneAt) >= since)
      gone.push({ NodeID, ...shownTombstone(tombstone) });
  }
  return gone.sort((a, b) => Date.parse(b.GoneAt) - Date.parse(a.GoneAt) || (a.NodeID < b.NodeID ? -1 : 1));
}

/** Returns a tombstone with the fingerprint of its key instead of the key. */
export function shownTombstone({ PublicKey, ...shown }: Tombstone): ShownTombstone {
  return { ...shown, ...(PublicKey ? { Fingerprint: fingerprint(PublicKey) } : {}) };
}
