// Values as Bacalhau writes them, turned into how they are written here.

import { Refusal } from '../kind.ts';
import { formatDuration, formatSize } from '../units.ts';
import type { Form } from './key-table.ts';

/**
 * The same value as a setting of ours takes it. What cannot be read is handed on: the setting refuses it and says why.
 * @throws Refusal where the setting would take it for something else
 */
export function convertValue(text: string, form: Form): string {
  if (text.length > 200) return text;
  switch (form) {
    case 'duration':
      return goDuration(text);
    case 'size':
      return humanSize(text);
    case 'boolean':
      return goBoolean(text);
    case 'level':
      // Both end the program there.
      return /^(fatal|panic)$/i.test(text) ? 'error' : text;
    case 'mode':
      if (text.toLowerCase() === 'default') return 'auto';
      if (text.toLowerCase() === 'json') return 'json';
      throw new Refusal('is no format of muster, which chooses by where it writes; allowed: default, json');
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

/** Go's durations: numbers with units in any order, fractions too; a bare number counts nanoseconds. */
function goDuration(text: string): string {
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

/** Sizes as go-humanize reads them: `8G`, `8GB`, `8Gi`, `8GiB`, and a bare number counts bytes. Shares stay. */
function humanSize(text: string): string {
  const plain = text.replace(/[\s,]/g, '');
  const [, count, prefix = '', binary] = /^(\d{1,15}(?:\.\d{0,9})?)(?:([kmgtp])(i?))?b?$/i.exec(plain) ?? [];
  if (count === undefined) return plain;
  const power = ' kmgtp'.indexOf(prefix.toLowerCase() || ' ');
  // It drops what is less than a byte.
  const bytes = Math.floor(Number(count) * (binary ? 1024 : 1000) ** power);
  return Number.isSafeInteger(bytes) ? formatSize(bytes) : plain;
}

function goBoolean(text: string): string {
  if (/^(1|t|true)$/i.test(text)) return 'true';
  return /^(0|f|false)$/i.test(text) ? 'false' : text;
}
