// What a setting's value may be: how each kind of value is read from text, refused, and written back.
import { isAbsolute, join, resolve } from 'node:path';
import { redacted } from '../system/secrets.ts';
import { bodyOf, digits, type Fragment, padded, textFragment } from './fragment.ts';
import { durationPattern, formatDuration, parseDuration } from './units.ts';

/** A value as a source gives it. Files, flags and the environment all give text; only lists and maps have a form of their own. */
export type Input = string | readonly string[] | ReadonlyMap<string, string>;

/** A value as an operator would write it in a file. */
export type Plain = string | number | boolean | readonly string[] | Readonly<Record<string, string>>;

/** Where relative paths start, and what `~/` stands for. */
export interface Base {
  /** Empty: the working folder. */
  readonly folder: string;
  readonly home: string | undefined;
}

export interface Kind<T> {
  /** One word for tables and help. */
  readonly name: string;
  /** What the number counts, where there is one: the unit of the value in the program. */
  readonly unit?: 'milliseconds' | 'bytes';
  /** All that it may be, where that can be listed. */
  readonly choices?: readonly string[];
  /** @throws Refusal */
  read(input: Input, base: Base): T;
  plain(value: T): Plain;
}

/** A kind that a setting may have, not only a flag. */
export interface SettingKind<T> extends Kind<T> {
  /** What is allowed, in a few words, such as `like 8GB, 8GiB`. */
  readonly allowed: string;
  /** The same for the JSON Schema, of a value as YAML reads it. */
  readonly schema: Fragment;
}

/** Why a value is refused: the rest of a sentence that starts with the value. `shown` stands in for the value itself. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly shown: string | undefined;

  constructor(why: string, shown?: string) {
    super(why);
    this.shown = shown;
  }
}

/** A duration between `min` and `max` milliseconds. The longest is a week: a timer beyond 24 days fires at once. */
export function duration(min = 10, max = 7 * 24 * 3_600_000): SettingKind<number> {
  const examples = 'like 15s, 1m30s, 500ms';
  const range = `${formatDuration(min)} to ${formatDuration(max)}`;
  return {
    name: 'duration',
    allowed: `${range}, like 1m30s`,
    unit: 'milliseconds',
    // A pattern cannot add up its parts: the range is left to the loader.
    schema: textFragment(bodyOf(durationPattern), `${range}, like 1m30s`),
    read(input) {
      const value = parseDuration(readText(input));
      if (value === undefined) throw new Refusal(`is not a duration; allowed: ${examples}`);
      const fault = value < min ? 'too short' : value > max ? 'too long' : undefined;
      if (fault) throw new Refusal(`is ${fault}; allowed: ${range}`);
      return value;
    },
    plain: formatDuration,
  };
}

/** A whole number from `min` to `max`; `noun` names it in a refusal, such as `a port`. */
export function integer(min: number, max: number, noun = 'a whole number'): SettingKind<number> {
  const allowed = `${min} to ${max}`;
  return {
    name: 'number',
    allowed,
    schema: {
      type: ['integer', 'string', 'null'],
      minimum: min,
      maximum: max,
      pattern: padded(`(?=\\d{1,15}(?!\\d))${digits(min, max)}`),
      patternErrorMessage: `allowed: ${allowed}`,
    },
    read(input) {
      const text = readText(input);
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      throw new Refusal(`is not ${noun}; allowed: ${allowed}`);
    },
    plain: value => value,
  };
}

export const boolean: SettingKind<boolean> = {
  name: 'boolean',
  allowed: 'true, false',
  schema: {
    type: ['boolean', 'string', 'null'],
    pattern: padded(`${anyCase('true')}|${anyCase('false')}`),
    patternErrorMessage: 'allowed: true, false',
  },
  choices: ['true', 'false'],
  read(input) {
    const text = readText(input).toLowerCase();
    if (text !== 'true' && text !== 'false')
      throw new Refusal('is neither true nor false; allowed: true, false');
    return text === 'true';
  },
  plain: value => value,
};

/** One of `options`, whatever its case. */
export function choice<const T extends string>(...options: T[]): SettingKind<T> {
  const allowed = options.join(', ');
  return {
    name: allowed,
    allowed,
    schema: {
      // The first is what editors offer.
      anyOf: [
        { enum: [...options, null] },
        {
          type: ['string'],
          pattern: padded(options.map(anyCase).join('|')),
          patternErrorMessage: `allowed: ${allowed}`,
        },
      ],
    },
    choices: options,
    read(input) {
      const text = readText(input).toLowerCase();
      const found = options.find(option => option === text);
      if (!found) throw new Refusal(`is not one of the choices; allowed: ${allowed}`);
      return found;
    },
    plain: value => value,
  };
}

/** Text that matches `pattern` (with the flag `u`, as in a JSON Schema), which `allowed` describes. */
export function text(pattern: RegExp, allowed: string): SettingKind<string> {
  return {
    name: 'text',
    allowed,
    schema: textFragment(bodyOf(pattern), allowed),
    read(input) {
      const value = readText(input);
      if (!pattern.test(value)) throw new Refusal(`is not valid; allowed: ${allowed}`);
      return value;
    },
    plain: value => value,
  };
}

const onOneLine = /^[^\u0000-\u001f\u007f]{1,4096}$/u;
const aPath = 'like /etc/muster/token, without control characters';
const aSecret = '1 to 4096 characters, without line breaks and control characters';

/** The path of a file or folder, made absolute: from a file's own folder, or from the working folder. `~/` is the home folder. */
export const path: SettingKind<string> = {
  name: 'path',
  allowed: aPath,
  schema: textFragment(`(?!~(?!/))${bodyOf(onOneLine)}`, aPath),
  read(input, base) {
    const value = readText(input);
    if (!onOneLine.test(value)) throw new Refusal(`is not a path; allowed: ${aPath}`);
    if (!value.startsWith('~')) return isAbsolute(value) ? resolve(value) : resolve(base.folder, value);
    if (!value.startsWith('~/'))
      throw new Refusal('names a home folder that is not yours; allowed: ~/ and then a path');
    if (!base.home) throw new Refusal('needs a home folder, and HOME is not set; write the whole path');
    return join(base.home, value.slice(2));
  },
  plain: value => value,
};

/** A secret, kept to the letter. What it is never appears in a refusal. */
export const secret: SettingKind<string> = {
  name: 'secret',
  allowed: aSecret,
  schema: {
    type: ['string', 'number', 'boolean', 'null'],
    pattern: onOneLine.source,
    patternErrorMessage: `allowed: ${aSecret}`,
    not: { const: redacted },
  },
  read(input) {
    const value = typeof input === 'string' ? input : readText(input);
    if (value === redacted)
      throw new Refusal(`is ${redacted}, which only stands for a secret; write the secret itself`);
    if (!onOneLine.test(value)) throw new Refusal(`is not usable; allowed: ${aSecret}`);
    return value;
  },
  plain: value => value,
};

/** `input` as one piece of text. */
export function readText(input: Input): string {
  if (typeof input === 'string') return input.trim();
  throw new Refusal('cannot stand here; allowed: one value', shapeOf(input));
}

/** `input` as a list: a list, or text with commas. */
export function readList(input: Input): string[] {
  if (input instanceof Map)
    throw new Refusal('cannot stand here; allowed: a list, or text with commas', shapeOf(input));
  const items = typeof input === 'string' ? [input] : [...(input as readonly string[])];
  return items.flatMap(item => item.split(',')).flatMap(item => item.trim() || []);
}

/** `input` as pairs: a map, or `k=v,k2=v2`, or a list of such. */
export function readPairs(input: Input): [string, string][] {
  if (input instanceof Map) return [...input];
  return readList(input).map(item => {
    const at = item.indexOf('=');
    if (at < 1) throw new Refusal('is not a pair; allowed: like zone=eu,disk=ssd', `"${item}"`);
    return [item.slice(0, at).trim(), item.slice(at + 1).trim()];
  });
}

/** A pattern has no flag for this where a JSON Schema is read. */
function anyCase(word: string): string {
  return word.replace(/[a-z]/g, letter => `[${letter}${letter.toUpperCase()}]`);
}

function shapeOf(input: Input): string {
  return input instanceof Map ? 'a group of keys' : 'a list';
}
