// Writes sizes, durations and times in the units that people read.

const sizeUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** Returns bytes in decimal units, with one digit after the point below ten: `1.5 kB`, `12 GB`. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < sizeUnits.length - 1) {
    value /= 1000;
    unit++;
  }
  const rounded = Math.floor(value * 10 + 0.5) / 10;
  return `${unit > 0 && rounded < 10 ? rounded.toFixed(1) : rounded.toFixed(0)} ${sizeUnits[unit]}`;
}

/** Returns milliseconds in the largest unit that gives at least 2: `3 s`, `12 min`, `5 h`, `2 days`. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

const shortUnits: Readonly<Record<string, string>> = { s: 's', min: 'm', h: 'h', days: 'd' };

/** Returns a duration for a narrow column: `3s`, `12m`, `5h`, `2d`. */
export function shortDuration(milliseconds: number): string {
  const [count = '', unit = ''] = durationText(milliseconds).split(' ');
  return `${count}${shortUnits[unit]}`;
}

/**
 * Returns how long ago something happened at `time` (RFC 3339): `5 min ago`. When the clock was set back since, it was `0 s ago`.
 */
export const agoText = (time: string, now: Date): string =>
  `${durationText(now.getTime() - Date.parse(time))} ago`;

/** Returns a time in RFC 3339 as `2026-11-28 02:10:44 UTC (5 min ago)`, or with `(in 5 min)` when it is ahead. */
export function timeText(time: string, now: Date): string {
  const utc = new Date(time).toISOString().slice(0, 19).replace('T', ' ');
  const aheadMs = Date.parse(time) - now.getTime();
  return `${utc} UTC (${aheadMs >= 1_000 ? `in ${durationText(aheadMs)}` : agoText(time, now)})`;
}
