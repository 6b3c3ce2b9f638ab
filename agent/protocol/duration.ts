// Reads and writes durations as operators write them. The page reads them too.

export const durationPattern =
  /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/;

const dayMs = 24 * 3_600_000;

/**
 * Reads a duration such as `15s`, `1m30s`, `2h`, `30d`, `500ms` or `1.5s` as whole milliseconds; undefined for any other text.
 * A day has 24 hours.
 */
export function parseDuration(text: string): number | undefined {
  const match = text === '' ? null : durationPattern.exec(text);
  if (!match) return undefined;
  const units = [dayMs, 3_600_000, 60_000, 1000, 1];
  const whole = Math.round(
    units.reduce((sum, unitMs, index) => sum + unitMs * Number(match[index + 1] ?? 0), 0),
  );
  return Number.isSafeInteger(whole) ? whole : undefined;
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
