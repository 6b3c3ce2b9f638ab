// The operator table says whose token a text is, and proves that it knows a token.
import { createHmac, randomBytes } from 'node:crypto';
import { operatorOf, proofOf } from '../../protocol/operator-token.ts';
import { hashToken, isSame } from '../../protocol/secret-hash.ts';
import type { OperatorRecord } from './operator-record.ts';

/** An operator whose token was shown. */
export interface Caller {
  name: string;
  readOnly: boolean;
  /** When the token ends, RFC 3339; absent when it stays valid. */
  expires?: string | undefined;
}

export type TokenCheck =
  | { kind: 'valid'; caller: Caller }
  | { kind: 'expired'; name: string; at: string }
  | { kind: 'unknown' };

export class OperatorTable {
  readonly #records: { get(name: string): OperatorRecord | undefined };
  /** Stands in for the hash of a token that is not here, so that a question about it is answered alike. */
  readonly #decoy = randomBytes(32);

  constructor(records: { get(name: string): OperatorRecord | undefined }) {
    this.#records = records;
  }

  /**
   * Says whose token `text` is. Only who has the whole token learns that it has expired. The hash is computed and compared
   * for every text, so the time tells nobody which operators there are.
   */
  check(text: string, now: Date): TokenCheck {
    const name = operatorOf(text);
    const record = name === undefined ? undefined : this.#records.get(name);
    const isKnown = isSame(hashToken(text), this.#hashOf(name ?? ''));
    if (!isKnown || !record || name === undefined) return { kind: 'unknown' };
    if (record.expires !== undefined && Date.parse(record.expires) <= now.getTime())
      return { kind: 'expired', name, at: record.expires };
    return { kind: 'valid', caller: { name, readOnly: record.readOnly, expires: record.expires } };
  }

  /**
   * Proves that this requester knows the token of the operator `name`. Of a token that it does not know it gives a wrong
   * proof, which only the holder of the token can tell from a right one.
   */
  prove(name: string, nonce: string, place: string): Buffer {
    return proofOf(this.#hashOf(name), nonce, place);
  }

  #hashOf(name: string): Buffer {
    const decoy = createHmac('sha256', this.#decoy).update(name).digest();
    const record = this.#records.get(name);
    return record ? Buffer.from(record.hash, 'base64url') : decoy;
  }
}
