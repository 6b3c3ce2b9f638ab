// Defines the kind of a list of pins, by which certificate authorities are recognized.
import { commas } from './fragment.ts';
import { Refusal, readList, type SettingKind } from './kind.ts';

/** A roll has a handful of requesters, each of which may have a CA of its own, and another one that follows. */
const maxPins = 16;
const allowed = '43 characters, the SHA-256 of a public key in base64url';
const form = /^[A-Za-z0-9_-]{43}$/;

/** The kind of a list of pins. */
export const pins: SettingKind<readonly string[]> = {
  name: 'pins',
  allowed,
  schema: schema,
  read(input) {
    const items = readList(input);
    if (items.length > maxPins)
      throw new Refusal(`are too many; allowed: ${maxPins}`, `${items.length} pins`);
    const wrong = items.find(item => !form.test(item));
    if (wrong === undefined) return items;
    throw new Refusal(`is not a pin; allowed: ${allowed}`, `"${wrong}"`);
  },
  plain: value => value,
};

function schema() {
  const text = { pattern: commas('[A-Za-z0-9_-]{43}'), patternErrorMessage: `allowed: ${allowed}` };
  const type = ['string', 'null'] as const;
  return { type: ['array', ...type] as const, ...text, items: { type, ...text } };
}
