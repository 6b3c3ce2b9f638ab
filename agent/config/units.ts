// Durations, sizes and percentages: from what an operator writes to numbers, and back.

export const durationPattern =
  /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/;
export const sizePattern = /^(\d+(?:\.\d+)?) ?(?:([kmgtpKMGTP])(?:([iI])[bB]?|[bB])|[bB])$/;
export const percentPattern = /^((?:0?\d{1,2})(?:\.\d{1,3})?|100(?:\.0{1,3})?) ?%$/;

/** `15s`, `1m30s`, `1h2m`, `500ms`, `1.5s` to whole milliseconds; undefined when `text` is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = text === '' ? null : durationPattern.exec(text);
  if (!match) return undefined;
  const [hours, minutes, seconds, milliseconds] = match.slice(1).map(part => Number(part ?? 0));
  const total =
    (hours ?? 0) * 3_600_000 + (minutes ?? 0) * 60_000 + (seconds ?? 0) * 1000 + (milliseconds ?? 0);
  return wholeNumber(total);
}

/** Whole milliseconds as an operator would write them: 90000 is `1m30s`, 1500 is `1s500ms`, 0 is `0s`. */
export function formatDuration(milliseconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(milliseconds / 3_600_000), 'h'],
    [Math.floor(milliseconds / 60_000) % 60, 'm'],
    [Math.floor(milliseconds / 1000) % 60, 's'],
    [milliseconds % 1000, 'ms'],
  ];
  const text = parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count}${unit}`])).join('');
  return text || '0s';
}

/**
 * `8GB` (powers of 1000), `8GiB` or `8Gi` (powers of 1024), `512 kB`, `100B` to bytes; undefined when `text` is no size.
 * The unit is never left out: a bare number would be bytes to one reader and megabytes to another. `8G` is refused, as it is
 * a power of 1000 to one and of 1024 to another.
 */
export function parseSize(text: string): number | undefined {
  const match = sizePattern.exec(text);
  if (!match) return undefined;
  const [, count, prefix = '', binary] = match;
  return wholeNumber(Number(count) * (binary ? 1024 : 1000) ** ' kmgtp'.indexOf(prefix.toLowerCase() || ' '));
}

/** Whole bytes in the largest unit that loses nothing: 8000000000 is `8GB`, 8589934592 is `8GiB`. */
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

/** `80%` or `12.5%` to 80 or 12.5; undefined when `text` is no percentage from 0 to 100. */
export function parsePercent(text: string): number | undefined {
  const match = percentPattern.exec(text);
  return match ? Number(match[1]) : undefined;
}

/** 12.5 is `12.5%`. */
export function formatPercent(value: number): string {
  return `${value}%`;
}

function wholeNumber(value: number): number | undefined {
  const whole = Math.round(value);
  return Number.isSafeInteger(whole) ? whole : undefined;
}
