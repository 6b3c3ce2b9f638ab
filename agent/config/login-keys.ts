// Defines the kind of a list of public keys by which a broker knows its requesters.
import { ProtocolError } from '../protocol/error.ts';
import { decodePublicKey } from '../protocol/nkey.ts';
import { commas } from './fragment.ts';
import { Refusal, readList, type SettingKind } from './kind.ts';

/** A roll has a handful of requesters. */
const maxKeys = 8;
const allowed = 'public keys that begin with U, as muster broker take-keys prints one';

/** The kind of a list of public keys of users of NATS, `U` and 55 characters. */
export const loginKeys: SettingKind<readonly string[]> = {
  name: 'keys',
  allowed,
  schema: keysSchema,
  read(input) {
    const items = readList(input);
    if (items.length > maxKeys)
      throw new Refusal(`are too many; allowed: ${maxKeys}`, `${items.length} keys`);
    for (const item of items) refuseWrong(item);
    return items;
  },
  plain: value => value,
};

function refuseWrong(item: string): void {
  // Somebody may have written the secret key here, so a wrong one is not repeated.
  try {
    decodePublicKey(item, 'user');
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new Refusal(`is no key of a requester; allowed: ${allowed}`, `"${item.slice(0, 2)}…"`);
  }
}

function keysSchema() {
  const text = { pattern: commas('U[A-Z2-7]{55}'), patternErrorMessage: `allowed: ${allowed}` };
  const type = ['string', 'null'] as const;
  return { type: ['array', ...type] as const, ...text, items: { type, ...text } };
}
