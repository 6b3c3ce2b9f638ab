// Holds the markers of renamed nodes back while the store is read again, until the record under the new id has come.
import type { BucketEntry } from '../../transport/port.ts';
import type { Records } from './record-table.ts';
import type { StoredRecord } from './stored-record.ts';

/**
 * Returns the new id of a node whose record memory still has under `id`, and not yet under the new one, when the store has
 * `stored` there. Without the other record, the node would be under no id for a moment.
 */
export function unknownNewId(records: Records, id: string, stored: StoredRecord): string | undefined {
  if (stored.kind !== 'renamed' || records.get(id) === undefined) return undefined;
  const newer = records.stored(stored.to);
  const isKnown = 'state' in newer && newer.state.Muster?.FormerIDs?.[0]?.ID === id;
  return isKnown ? undefined : stored.to;
}

export class HeldMarkers {
  readonly #waiting = new Map<string, BucketEntry[]>();

  /** Holds a marker back until the entry of the new id has come. */
  hold(newId: string, marker: BucketEntry): void {
    this.#waiting.set(newId, [...(this.#waiting.get(newId) ?? []), marker]);
  }

  /** Returns the markers that can be applied, because the entry of this id has come. A node may be renamed twice. */
  release(id: string, stored: StoredRecord): BucketEntry[] {
    const markers = this.#waiting.get(id) ?? [];
    this.#waiting.delete(id);
    if (stored.kind !== 'renamed') return markers;
    for (const marker of markers) this.hold(stored.to, marker);
    return [];
  }

  /** Returns all markers, because everything has come. */
  releaseAll(): BucketEntry[] {
    const markers = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    return markers;
  }
}
