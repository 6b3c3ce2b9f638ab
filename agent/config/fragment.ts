// What one kind of setting says in the JSON Schema of the configuration (draft 7, the newest that editors know well).

/** `pattern` binds text only, `minimum` and `maximum` numbers only: one fragment covers every way of writing a value. */
export interface Fragment {
  readonly type?: readonly JsonType[];
  /** For `new RegExp(pattern, 'u')`. */
  readonly pattern?: string;
  /** What an editor says when `pattern` does not match. */
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
 * Text that matches `body`, a part of a pattern, whatever blanks surround it. YAML takes some text for numbers and
 * booleans; the loader reads it as written, so they are allowed where such text is. Nothing (null) is "not set".
 */
export function textFragment(body: string, allowed: string): Fragment {
  const pattern = padded(body);
  const matches = (text: string) => new RegExp(pattern, 'u').test(text);
  const numbers: JsonType[] = matches('1.5') ? ['number'] : matches('1') ? ['integer'] : [];
  const type = ['string', ...numbers, ...(matches('true') ? (['boolean'] as const) : []), 'null'] as const;
  return { type, pattern, patternErrorMessage: `allowed: ${allowed}` };
}

/** Text between blanks: the loader cuts them off. */
export function padded(body: string): string {
  return `^\\s*(?=\\S)(?:${body})\\s*$`;
}

/** Any number of items with commas between them; blanks around each, and empty ones, do not count. */
export function commas(item: string): string {
  return `^\\s*(?:${item}\\s*)?(?:,\\s*(?:${item}\\s*)?)*$`;
}

/** What stands between `^` and `$`. */
export function bodyOf({ source }: RegExp): string {
  return source.replace(/^\^/, '').replace(/\$$/, '');
}

/** Whole numbers from `min` to `max` in decimal digits; zeros may lead. */
export function digits(min: number, max: number): string {
  const tooSmall = min > 0 ? `(?!0*${upTo(min - 1)}(?!\\d))` : '';
  return `${tooSmall}0*${upTo(max)}`;
}

/** Digit by digit: shorter numbers, then those of the same length that part from `max` at each place, then `max`. */
function upTo(max: number): string {
  const text = String(max);
  const parting = [...text].flatMap((digit, at) => {
    const rest = text.length - at - 1;
    return digit === '0'
      ? []
      : [`${text.slice(0, at)}[0-${Number(digit) - 1}]${rest > 0 ? `\\d{${rest}}` : ''}`];
  });
  const shorter = text.length > 1 ? [`\\d{1,${text.length - 1}}`] : [];
  return `(?:${[...shorter, ...parting, text].join('|')})`;
}
