// Converts values from Bacalhau's spelling into muster's spelling.

import { Refusal } from '../kind.ts';
import { formatDuration, formatSize } from '../units.ts';
import type { Form } from './key-table.ts';

/**
 * Returns the value in the form that a setting of muster takes. A value that cannot be read is returned unchanged; the
 * setting then refuses it with a reason. @throws Refusal when the setting would read another value from the text
 */
export function convertValue(text: string, form: Form): string {
  if (text.length > 200) return text;
  switch (form) {
    case 'duration':
      return convertDuration(text);
    case 'size':
      return convertSize(text);
    case 'boolean':
      return convertBoolean(text);
    case 'level':
      // In Bacalhau these levels are for errors that end the program.
      return /^(fatal|panic)$/i.test(text) ? 'error' : text;
    case 'mode':
      if (text.toLowerCase() === 'default') return 'auto';
      if (text.toLowerCase() === 'json') return 'json';
      throw new Refusal(
        'is not a format of muster, which chooses one by where the log goes; allowed: default, json',
      );
    default:
      return text;
  }
}

const nanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/**
 * Converts a duration of Go: numbers, also with fractions, with units in any order. A number without a unit means
 * nanoseconds.
 */
function convertDuration(text: string): string {
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy;
  let total = /^\d{1,18}$/.test(text) ? Number(text) : 0;
  let end = total > 0 ? text.length : 0;
  for (const [whole, count, unit = ''] of text.matchAll(part)) {
    total += Number(count) * (nanoseconds[unit] ?? 0);
    end += whole.length;
  }
  const milliseconds = Math.round(total / 1e6);
  return end === text.length && Number.isSafeInteger(milliseconds) ? formatDuration(milliseconds) : text;
}

/**
 * Converts a size of go-humanize, such as `8G`, `8GB`, `8Gi` or `8GiB`. A number without a unit means bytes. Percentages
 * do not change.
 */
function convertSize(text: string): string {
  const plain = text.replace(/[\s,]/g, '');
  const [, count, prefix = '', binary] = /^(\d{1,15}(?:\.\d{0,9})?)(?:([kmgtp])(i?))?b?$/i.exec(plain) ?? [];
  if (count === undefined) return plain;
  const power = ' kmgtp'.indexOf(prefix.toLowerCase() || ' ');
  // go-humanize rounds down to whole bytes.
  const bytes = Math.floor(Number(count) * (binary ? 1024 : 1000) ** power);
  return Number.isSafeInteger(bytes) ? formatSize(bytes) : plain;
}

function convertBoolean(text: string): string {
  if (/^(1|t|true)$/i.test(text)) return 'true';
  return /^(0|f|false)$/i.test(text) ? 'false' : text;
}
