// The key of a node as its record has it, and the fingerprints that operators and events name it by.
import { fingerprint } from '../../protocol/nkey.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { StoredRecord } from './stored-record.ts';

/** Returns the member of a change that names the key of its node; no member when the record has no key. */
export function fingerprintOf({ Muster }: NodeState): { Fingerprint?: string } {
  return Muster?.PublicKey ? { Fingerprint: fingerprint(Muster.PublicKey) } : {};
}

/**
 * Returns a record with the key that is pinned to its node, if it names none: it was written before the requester checked
 * keys, or was rebuilt. A decision about the node is then about the key that operators are shown.
 */
export function withPinnedKey(stored: StoredRecord, pinned: string | undefined): StoredRecord {
  if (stored.kind !== 'record' || stored.state.Muster?.PublicKey || !pinned) return stored;
  const { state } = stored;
  return { ...stored, state: { ...state, Muster: { ...state.Muster, PublicKey: pinned } } };
}

/** Returns a fingerprint as `ABCD-EFGH-IJKL-MNOP`, however a person typed its sixteen characters. */
export function normalFingerprint(text: string): string {
  const characters = text.toUpperCase().replace(/[\s-]/g, '');
  return characters.match(/.{1,4}/g)?.join('-') ?? '';
}
