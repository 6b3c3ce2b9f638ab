// The rule for labels. It is the same for the labels of a configuration, of a join code and of an operator.

/** The characters that no value of a label has, as in a class of a regular expression. */
export const unprintable = '\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029';

export const labelRule = {
  key: /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/,
  value: new RegExp(`^[^${unprintable}]{0,255}$`, 'u'),
  /** Number of labels that one place may set. */
  count: 64,
  keyText: '1 to 63 letters, digits and . _ / -, first a letter or digit',
  valueText: 'at most 255 characters on one line',
} as const;

/** Returns what is wrong with the key of a label, such as `it has " " as character 4`; undefined when nothing is. */
export function keyFault(key: string): string | undefined {
  if (labelRule.key.test(key)) return undefined;
  if (key === '') return 'it is empty';
  return characterFault(key, /[A-Za-z0-9._/-]/) ?? (/^[A-Za-z0-9]/.test(key) ? tooLong(key) : beginning(key));
}

/** Returns what is wrong with the value of a label; undefined when nothing is. */
export function valueFault(value: string): string | undefined {
  if (labelRule.value.test(value)) return undefined;
  return characterFault(value, new RegExp(`[^${unprintable}]`, 'u')) ?? tooLong(value);
}

/** Labels of the control plane: the new value of each key, or null for one that is removed. */
export type LabelChange = Readonly<Record<string, string | null>>;

/** Returns the words for a change of labels, as on a command line: `rack=b7`, and `spare-` for one that is removed. */
export const labelWords = (labels: LabelChange): string[] =>
  Object.entries(labels).map(([key, value]) => (value === null ? `${key}-` : `${key}=${value}`));

/** Returns what is wrong with a label of a change, as a sentence without a full stop; undefined when nothing is. */
export function pairFault(key: string, value: unknown): string | undefined {
  const ofKey = keyFault(key);
  if (ofKey) return `${quoted(key)} is not a label: ${ofKey}; allowed: ${labelRule.keyText}`;
  if (value === null) return undefined;
  if (typeof value !== 'string') return `the value of ${key} is no text`;
  const ofValue = valueFault(value);
  return ofValue && `the value of ${key} is not allowed: ${ofValue}; allowed: ${labelRule.valueText}`;
}

function characterFault(text: string, allowed: RegExp): string | undefined {
  const characters = [...text];
  const index = characters.findIndex(character => !allowed.test(character));
  return index < 0 ? undefined : `it has ${shown(characters[index] ?? '')} as character ${index + 1}`;
}

const beginning = (key: string): string => `it begins with ${shown(key[0] ?? '')}`;
const tooLong = (text: string): string => `it has ${text.length} characters`;

/** Returns a character in quotes, or its code when it cannot be seen. */
const shown = (character: string): string =>
  /^[\p{L}\p{N}\p{P}\p{S} ]$/u.test(character)
    ? `"${character}"`
    : `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

const quoted = (key: string): string =>
  `"${[...key.slice(0, 70)].map(c => (/[\p{L}\p{N}\p{P}\p{S} ]/u.test(c) ? c : '?')).join('')}"`;
