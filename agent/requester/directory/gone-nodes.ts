// Shows the nodes that are gone, and what was known of each.
import { fingerprint } from '../../protocol/nkey.ts';
import type { GoneNode, ShownTombstone, Tombstone } from '../../protocol/tombstone.ts';
import type { StoredRecord } from '../roll/stored-record.ts';

/** Returns the nodes that are gone, the latest first. `sinceMs` leaves out those that went earlier than this before `now`. */
export function goneNodes(
  entries: Iterable<[id: string, stored: StoredRecord]>,
  now: Date,
  sinceMs = Number.POSITIVE_INFINITY,
): GoneNode[] {
  const since = now.getTime() - sinceMs;
  const gone: GoneNode[] = [];
  for (const [NodeID, stored] of entries)
    if (stored.kind === 'deleted' && stored.tombstone && Date.parse(stored.tombstone.GoneAt) >= since)
      gone.push({ NodeID, ...shownTombstone(stored.tombstone) });
  return gone.sort((a, b) => Date.parse(b.GoneAt) - Date.parse(a.GoneAt) || (a.NodeID < b.NodeID ? -1 : 1));
}

/** Returns a tombstone with the fingerprint of its key instead of the key. */
export function shownTombstone({ PublicKey, ...shown }: Tombstone): ShownTombstone {
  return { ...shown, ...(PublicKey ? { Fingerprint: fingerprint(PublicKey) } : {}) };
}
