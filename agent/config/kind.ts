// Defines the kinds of values that settings have: how a value is read from text, refused, and written.
import { isAbsolute, join, resolve } from 'node:path';
import { redacted } from '../system/secrets.ts';
import { bodyOf, digits, type Fragment, padded, textFragment } from './fragment.ts';
import { findNearest } from './nearest.ts';
import { durationPattern, formatDuration, parseDuration } from './units.ts';

/** A value from a source. Files, flags and the environment contain text, lists of texts or maps of texts. */
export type Input = string | readonly string[] | ReadonlyMap<string, string>;

/** A value as an operator would write it in a configuration file. */
export type Plain = string | number | boolean | readonly string[] | Readonly<Record<string, string>>;

/** The folder of relative paths, and the home folder. */
export interface Base {
  /** The folder where relative paths begin; empty for the working folder. */
  readonly folder: string;
  readonly home: string | undefined;
}

export interface Kind<T> {
  /** Name of the kind, one word, for tables and help texts. */
  readonly name: string;
  /** The unit of the value in the program, if it has one. */
  readonly unit?: 'milliseconds' | 'bytes';
  /** All allowed values, if they can be listed. */
  readonly choices?: readonly string[];
  /**
   * Reads a value.
   * @throws Refusal when it is not allowed.
   */
  read(input: Input, base: Base): T;
  /** Writes a value as an operator would. */
  plain(value: T): Plain;
}

/** A kind of value that can be used for a setting, and not only for a flag. */
export interface SettingKind<T> extends Kind<T> {
  /** A few words about what is allowed, such as `like 8GB, 8GiB`. */
  readonly allowed: string;
  /** Returns the JSON Schema of the value, as YAML reads it. It costs time, and only the schema of the settings needs it. */
  schema(): Fragment;
}

/**
 * The reason why a value is refused. The message continues a sentence that begins with the value, or with `shown` instead
 * of it.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly shown: string | undefined;
  /** What was probably meant. */
  readonly near: string | undefined;

  constructor(why: string, shown?: string, near?: string) {
    super(why);
    this.shown = shown;
    this.near = near;
  }
}

/** The longest time for which a timer may wait, a week: one of more than 24 days runs at once. */
const longestTimerMs = 7 * 24 * 3_600_000;

/** Returns the kind of a duration. Nothing waits by one timer for more than a week. */
export function duration(minMs = 10, maxMs = longestTimerMs): SettingKind<number> {
  const isLong = maxMs > longestTimerMs;
  const example = isLong ? 'like 30d' : 'like 1m30s';
  const range = `${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
  return {
    name: isLong ? 'time' : 'duration',
    allowed: `${range}, ${example}`,
    unit: 'milliseconds',
    // A pattern cannot add the parts of a duration, so only the loader checks the range.
    schema: () => textFragment(bodyOf(durationPattern), `${range}, ${example}`),
    read(input) {
      const value = parseDuration(readText(input));
      if (value === undefined)
        throw new Refusal(
          `is not a duration; allowed: ${isLong ? 'like 30d, 2h, 45m' : 'like 15s, 1m30s, 500ms'}`,
        );
      const fault = value < minMs ? 'too short' : value > maxMs ? 'too long' : undefined;
      if (fault) throw new Refusal(`is ${fault}; allowed: ${range}`);
      return value;
    },
    plain: formatDuration,
  };
}

/** Returns the kind of a whole number from `min` to `max`. `noun` names it in a refusal, such as `a port`. */
export function integer(min: number, max: number, noun = 'a whole number'): SettingKind<number> {
  const allowed = `${min} to ${max}`;
  return {
    name: 'number',
    allowed,
    schema: () => ({
      type: ['integer', 'string', 'null'],
      minimum: min,
      maximum: max,
      pattern: padded(`(?=\\d{1,15}(?!\\d))${digits(min, max)}`),
      patternErrorMessage: `allowed: ${allowed}`,
    }),
    read(input) {
      const text = readText(input);
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      throw new Refusal(`is not ${noun}; allowed: ${allowed}`);
    },
    plain: value => value,
  };
}

/** The kind of a value that is true or false. */
export const boolean: SettingKind<boolean> = {
  name: 'boolean',
  allowed: 'true, false',
  schema: () => ({
    type: ['boolean', 'string', 'null'],
    pattern: padded(`${anyCase('true')}|${anyCase('false')}`),
    patternErrorMessage: 'allowed: true, false',
  }),
  choices: ['true', 'false'],
  read(input) {
    const text = readText(input).toLowerCase();
    if (text !== 'true' && text !== 'false')
      throw new Refusal('is neither true nor false; allowed: true, false');
    return text === 'true';
  },
  plain: value => value,
};

/** Returns the kind of a value that is one of `options`, in upper or lower case. */
export function choice<const T extends string>(...options: T[]): SettingKind<T> {
  const allowed = options.join(', ');
  return {
    name: allowed,
    allowed,
    schema: () => ({
      // Editors offer this part as choices.
      anyOf: [
        { enum: [...options, null] },
        {
          type: ['string'],
          pattern: padded(options.map(anyCase).join('|')),
          patternErrorMessage: `allowed: ${allowed}`,
        },
      ],
    }),
    choices: options,
    read(input) {
      const text = readText(input).toLowerCase();
      const choice = options.find(option => option === text);
      if (!choice) throw notOneOf(options, text);
      return choice;
    },
    plain: value => value,
  };
}

/**
 * Returns the kind of a list of `options`, in upper or lower case, with commas between them. It is of flags only. An empty list
 * is refused, because it may come from a variable of a script that is not set.
 */
export function choices<const T extends string>(...options: T[]): Kind<readonly T[]> {
  const allowed = options.join(', ');
  return {
    name: allowed,
    choices: options,
    read(input) {
      const words = readList(input);
      if (words.length === 0) throw new Refusal(`names nothing; allowed: ${allowed}`);
      return words.map(word => {
        const found = options.find(option => option.toLowerCase() === word.toLowerCase());
        if (!found) throw notOneOf(options, word, `"${word}"`);
        return found;
      });
    },
    plain: words => words,
  };
}

/**
 * Returns the kind of text that matches `pattern`. The pattern has the flag `u`, as in a JSON Schema. `allowed` describes
 * it.
 */
export function text(pattern: RegExp, allowed: string): SettingKind<string> {
  return {
    name: 'text',
    allowed,
    schema: () => textFragment(bodyOf(pattern), allowed),
    read(input) {
      const value = readText(input);
      if (!pattern.test(value)) throw new Refusal(`is not valid; allowed: ${allowed}`);
      return value;
    },
    plain: value => value,
  };
}

const onOneLine = /^[^\u0000-\u001f\u007f]{1,4096}$/u;
const allowedPath = 'like /etc/muster/token, without control characters';
const allowedSecret = '1 to 4096 characters, without line breaks and control characters';

/**
 * The kind of a path. A relative path begins in the folder of its file or in the working folder. `~/` means the home
 * folder.
 */
export const path: SettingKind<string> = {
  name: 'path',
  allowed: allowedPath,
  schema: () => textFragment(`(?!~(?!/))${bodyOf(onOneLine)}`, allowedPath),
  read(input, base) {
    const value = readText(input);
    if (!onOneLine.test(value)) throw new Refusal(`is not a path; allowed: ${allowedPath}`);
    if (!value.startsWith('~')) return isAbsolute(value) ? resolve(value) : resolve(base.folder, value);
    if (!value.startsWith('~/'))
      throw new Refusal('names the home folder of another user; allowed: ~/ and then a path');
    if (!base.home) throw new Refusal('needs a home folder, and HOME is not set; write the whole path');
    return join(base.home, value.slice(2));
  },
  plain: value => value,
};

/** The kind of a secret. Blanks around it are not removed, and a refusal never shows it. */
export const secret: SettingKind<string> = {
  name: 'secret',
  allowed: allowedSecret,
  schema: () => ({
    type: ['string', 'number', 'boolean', 'null'],
    pattern: onOneLine.source,
    patternErrorMessage: `allowed: ${allowedSecret}`,
    not: { const: redacted },
  }),
  read(input) {
    const value = typeof input === 'string' ? input : readText(input);
    if (value === redacted)
      throw new Refusal(`is ${redacted}, which only stands for a secret; write the secret itself`);
    if (!onOneLine.test(value)) throw new Refusal(`is not usable; allowed: ${allowedSecret}`);
    return value;
  },
  plain: value => value,
};

/** Returns `input` as one text without blanks around it. Throws Refusal. */
export function readText(input: Input): string {
  if (typeof input === 'string') return input.trim();
  throw new Refusal('is not allowed here; allowed: one value', nameShape(input));
}

/** Returns `input` as a list. It may be a list or text with commas. Throws Refusal. */
export function readList(input: Input): string[] {
  if (input instanceof Map)
    throw new Refusal('is not allowed here; allowed: a list, or text with commas', nameShape(input));
  const items = typeof input === 'string' ? [input] : [...(input as readonly string[])];
  return items.flatMap(item => item.split(',')).flatMap(item => item.trim() || []);
}

/** Returns `input` as pairs. It may be a map, text such as `k=v,k2=v2`, or a list of such texts. Throws Refusal. */
export function readPairs(input: Input): [string, string][] {
  if (input instanceof Map) return [...input];
  return readList(input).map(item => {
    const at = item.indexOf('=');
    if (at < 1) throw new Refusal('is not a pair; allowed: like zone=eu,disk=ssd', `"${item}"`);
    return [item.slice(0, at).trim(), item.slice(at + 1).trim()];
  });
}

/** Returns a pattern that matches `word` in upper or lower case, because a pattern in a JSON Schema has no flags. */
function anyCase(word: string): string {
  return word.replace(/[a-z]/g, letter => `[${letter}${letter.toUpperCase()}]`);
}

function notOneOf(options: readonly string[], word: string, shown?: string): Refusal {
  const why = `is not one of the choices; allowed: ${options.join(', ')}`;
  return new Refusal(why, shown, findNearest(word, options));
}

function nameShape(input: Input): string {
  return input instanceof Map ? 'a group of keys' : 'a list';
}
