// Reads and writes durations, sizes and percentages as operators write them.

export const durationPattern =
  /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/;
export const sizePattern = /^(\d+(?:\.\d+)?) ?(?:([kmgtpKMGTP])(?:([iI])[bB]?|[bB])|[bB])$/;
export const percentPattern = /^((?:0?\d{1,2})(?:\.\d{1,3})?|100(?:\.0{1,3})?) ?%$/;

const dayMs = 24 * 3_600_000;

/**
 * Reads a duration such as `15s`, `1m30s`, `2h`, `30d`, `500ms` or `1.5s` as whole milliseconds; undefined for any other text.
 * A day has 24 hours.
 */
export function parseDuration(text: string): number | undefined {
  const match = text === '' ? null : durationPattern.exec(text);
  if (!match) return undefined;
  const units = [dayMs, 3_600_000, 60_000, 1000, 1];
  return wholeNumber(units.reduce((sum, unitMs, index) => sum + unitMs * Number(match[index + 1] ?? 0), 0));
}

/** Writes whole milliseconds as an operator would: 90000 as `1m30s`, 1500 as `1s500ms`, 0 as `0s`, days from two on as `30d`. */
export function formatDuration(milliseconds: number): string {
  const days = milliseconds < 2 * dayMs ? 0 : Math.floor(milliseconds / dayMs);
  const parts: [number, string][] = [
    [days, 'd'],
    [Math.floor((milliseconds - days * dayMs) / 3_600_000), 'h'],
    [Math.floor(milliseconds / 60_000) % 60, 'm'],
    [Math.floor(milliseconds / 1000) % 60, 's'],
    [milliseconds % 1000, 'ms'],
  ];
  const text = parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count}${unit}`])).join('');
  return text || '0s';
}

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
