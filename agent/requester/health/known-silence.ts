// Says for how long a node has been silent, also one that was last heard before this start.
import type { Clock } from '../../system/clock.ts';
import type { Liveness } from './liveness.ts';

/** What is known of the nodes' signs of life. */
export interface KnownSilences {
  silenceMs(id: string): number | undefined;
  liveness(id: string): Pick<Liveness, 'lastSeenAt'> | undefined;
}

/**
 * Returns the time since a node was last heard, in milliseconds; undefined when it never was. Of a node that was heard since the
 * start, it is the time in which this requester could hear it. Before that, and of one that left, only the wall clock tells.
 */
export function knownSilenceMs(
  known: KnownSilences,
  id: string,
  now: ReturnType<Clock['now']>,
): number | undefined {
  const silenceMs = known.silenceMs(id);
  if (silenceMs !== undefined) return silenceMs;
  const lastSeenAt = known.liveness(id)?.lastSeenAt;
  return lastSeenAt === undefined ? undefined : Math.max(0, now.getTime() - lastSeenAt);
}
