// Keeps tokens void that were revoked, although an older store still has them.
import type { Log } from '../../system/log.ts';
import type { Ledger } from './ledger.ts';

/** The part of the ledger about tokens. */
export type TokenLedger = Pick<Ledger, 'get' | 'put'>;

/** A record of a token: its SHA-256, in base64url. */
interface TokenRecord {
  readonly hash: string;
}

/** The records of tokens in the store, by the names of their holders. */
interface TokenRecords {
  entries(): Iterable<[string, TokenRecord]>;
  delete(name: string): Promise<void>;
}

/** Removes the records whose tokens were revoked. `kind` says what holds them, such as `operator`. @throws BrokerError */
export async function removeVoidTokens(
  records: TokenRecords,
  kind: string,
  ledger: TokenLedger | undefined,
  log: Log,
): Promise<void> {
  for (const [name, { hash }] of [...records.entries()]) {
    const revoked = ledger?.get('token', hash);
    if (!revoked) continue;
    await records.delete(name);
    const text = 'a token was revoked, and the store did not know that any more; it is void';
    log.warn({ [kind]: name, revoked: revoked.at }, text);
  }
}

/** Keeps a token void from now on. Resolves as `Ledger.put`. */
export async function keepVoid(
  ledger: TokenLedger | undefined,
  holder: string,
  { hash }: TokenRecord,
  now: Date,
): Promise<void> {
  await ledger?.put('token', hash, { holder, at: now.toISOString() });
}
