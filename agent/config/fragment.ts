// The fragments in this file are parts of the configuration's JSON Schema, in draft 7, which editors support best.

/**
 * The schema of one value. `pattern` limits only text, and `minimum` and `maximum` limit only numbers. So one fragment
 * describes every way of writing a value.
 */
export interface Fragment {
  readonly type?: readonly JsonType[];
  /** A pattern for `new RegExp(pattern, 'u')`. */
  readonly pattern?: string;
  /** The message of an editor when `pattern` does not match. */
  readonly patternErrorMessage?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly (string | null)[];
  readonly anyOf?: readonly Fragment[];
  readonly not?: { readonly const: string };
  readonly items?: Fragment;
  readonly maxProperties?: number;
  readonly propertyNames?: Fragment;
  readonly additionalProperties?: Fragment;
}

type JsonType = 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null';

/**
 * Returns the schema of text that matches the pattern `body`, with blanks around it. YAML reads some texts as numbers or
 * booleans, but the loader reads them as written. So these types are allowed if such a text matches. Null means "not
 * set".
 */
export function textFragment(body: string, allowed: string): Fragment {
  const pattern = padded(body);
  const matches = (text: string) => new RegExp(pattern, 'u').test(text);
  const numbers: JsonType[] = matches('1.5') ? ['number'] : matches('1') ? ['integer'] : [];
  const type = ['string', ...numbers, ...(matches('true') ? (['boolean'] as const) : []), 'null'] as const;
  return { type, pattern, patternErrorMessage: `allowed: ${allowed}` };
}

/** Allows blanks around the pattern `body`. The loader removes them. */
export function padded(body: string): string {
  return `^\\s*(?=\\S)(?:${body})\\s*$`;
}

/** Returns the pattern of any number of items with commas between them. Blanks around items and empty items are allowed. */
export function commas(item: string): string {
  return `^\\s*(?:${item}\\s*)?(?:,\\s*(?:${item}\\s*)?)*$`;
}

/** Returns the part of a pattern between `^` and `$`. */
export function bodyOf({ source }: RegExp): string {
  return source.replace(/^\^/, '').replace(/\$$/, '');
}

/** Returns the pattern of whole numbers from `min` to `max` in decimal digits, with or without leading zeros. */
export function digits(min: number, max: number): string {
  const tooSmall = min > 0 ? `(?!0*${upTo(min - 1)}(?!\\d))` : '';
  return `${tooSmall}0*${upTo(max)}`;
}

/**
 * Returns the pattern of numbers up to `max`: shorter numbers, numbers that are smaller from a certain digit on, and `max`.
 */
function upTo(max: number): string {
  const text = String(max);
  const smaller = [...text].flatMap((digit, at) => {
    const rest = text.length - at - 1;
    return digit === '0'
      ? []
      : [`${text.slice(0, at)}[0-${Number(digit) - 1}]${rest > 0 ? `\\d{${rest}}` : ''}`];
  });
  const shorter = text.length > 1 ? [`\\d{1,${text.length - 1}}`] : [];
  return `(?:${[...shorter, ...smaller, text].join('|')})`;
}
