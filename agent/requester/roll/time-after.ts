// Gives a change the time at which it is made, and never one before what it follows. The clocks of two requesters may differ
// by a day, and what a later change says of an earlier one is decided by their times.
import { isGoTime } from '../../protocol/node-info.ts';

/** Returns `now`, or a millisecond after the latest of the earlier times (RFC 3339) when that is later. */
export function timeAfter(now: Date, ...earlier: (string | undefined)[]): string {
  const times = earlier.flatMap(time => (time !== undefined && isGoTime(time) ? [Date.parse(time) + 1] : []));
  return new Date(Math.max(now.getTime(), ...times)).toISOString();
}
