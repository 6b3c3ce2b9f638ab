// Says when a certificate ends, in the words of the command line and of the page.
import { durationText, timeText } from './unit-text.ts';

/** A certificate that ends within this time should be renewed now, in milliseconds. */
const endsSoonMs = 30 * 24 * 3_600_000;

/** Returns whether a certificate has ended, or ends soon. `endsAt` is a time as in RFC 3339. */
export const endsSoon = (endsAt: string, now: Date): boolean =>
  Date.parse(endsAt) - now.getTime() < endsSoonMs;

/** Returns when a certificate ends, after its name. By RFC 5280, the end of the year 9999 means that it has none. */
export function endText(endsAt: string, now: Date): string {
  if (endsAt.startsWith('9999-12-31')) return 'does not end';
  const aheadMs = Date.parse(endsAt) - now.getTime();
  if (aheadMs < 0) return `ended ${durationText(-aheadMs)} ago`;
  return aheadMs < endsSoonMs ? `ends soon: ${timeText(endsAt, now)}` : `ends ${timeText(endsAt, now)}`;
}
