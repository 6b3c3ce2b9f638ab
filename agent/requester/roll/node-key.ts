// The key of a node as its record has it, and the fingerprints that operators and events name it by.
import { fingerprint } from '../../protocol/nkey.ts';
import type { NodeState } from '../../protocol/node-state.ts';

/** Returns the member of a change that names the key of its node; no member when the record has no key. */
export function fingerprintOf({ Muster }: NodeState): { Fingerprint?: string } {
  return Muster?.PublicKey ? { Fingerprint: fingerprint(Muster.PublicKey) } : {};
}

/** Returns a fingerprint as `ABCD-EFGH-IJKL-MNOP`, however a person typed its sixteen characters. */
export function normalFingerprint(text: string): string {
  const characters = text.toUpperCase().replace(/[\s-]/g, '');
  return characters.match(/.{1,4}/g)?.join('-') ?? '';
}
