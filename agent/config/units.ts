// Reads and writes durations, sizes and percentages as operators write them.
export { durationPattern, formatDuration, parseDuration } from '../protocol/duration.ts';

export const sizePattern = /^(\d+(?:\.\d+)?) ?(?:([kmgtpKMGTP])(?:([iI])[bB]?|[bB])|[bB])$/;
export const percentPattern = /^((?:0?\d{1,2})(?:\.\d{1,3})?|100(?:\.0{1,3})?) ?%$/;

/**
 * Reads a size such as `8GB` (powers of 1000), `8GiB` or `8Gi` (powers of 1024), `512 kB` or `100B` as bytes; undefined
 * for any other text. A number without a unit is refused, because people may mean bytes or megabytes. `8G` is refused,
 * because people may mean powers of 1000 or of 1024.
 */
export function parseSize(text: string): number | undefined {
  const match = sizePattern.exec(text);
  if (!match) return undefined;
  const [, count, prefix = '', binary] = match;
  return wholeNumber(Number(count) * (binary ? 1024 : 1000) ** ' kmgtp'.indexOf(prefix.toLowerCase() || ' '));
}

/** Writes whole bytes in the largest unit that is exact: 8000000000 as `8GB`, 8589934592 as `8GiB`. */
export function formatSize(bytes: number): string {
  const names: [number, string[]][] = [
    [1024, ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']],
    [1000, ['kB', 'MB', 'GB', 'TB', 'PB']],
  ];
  let best = `${bytes}B`;
  for (const [base, units] of names) {
    for (const [power, unit] of units.entries()) {
      const text = `${bytes / base ** (power + 1)}${unit}`;
      if (bytes > 0 && bytes % base ** (power + 1) === 0 && text.length < best.length) best = text;
    }
  }
  return best;
}

/** Reads a percentage from 0 to 100 such as `80%` or `12.5%` as a number; undefined for any other text. */
export function parsePercent(text: string): number | undefined {
  const match = percentPattern.exec(text);
  return match ? Number(match[1]) : undefined;
}

/** Writes a percentage: 12.5 as `12.5%`. */
export function formatPercent(value: number): string {
  return `${value}%`;
}

function wholeNumber(value: number): number | undefined {
  const whole = Math.round(value);
  return Number.isSafeInteger(whole) ? whole : undefined;
}
