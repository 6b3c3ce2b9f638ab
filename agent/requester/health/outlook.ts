// Says why a node has the health that it has, and what comes next and when. It decides nothing.
import { formatDuration } from '../../config/units.ts';
import type { Health } from '../../protocol/node-state.ts';
import type { HealthLimits } from './health.ts';

/** What is known of the signs of life of a node. */
export interface LifeFacts {
  health: Health;
  /** Time since the last sign of life, in milliseconds; undefined as in `healthOf`. */
  silenceMs: number | undefined;
  /** Whether the node said that it stops. */
  left: boolean;
  /** Why no verdicts are given now; undefined while they are. */
  waits: string | undefined;
}

export interface Outlook {
  /** The rule that applies, with the value of its setting, for people. */
  rule: string;
  /** The health that comes when nothing more is heard, and the time until then in milliseconds; absent when none does. */
  next?: { health: Health; inMs: number };
  /** Why no verdict is given although one is due or could be. */
  waits?: string;
}

/** Returns why a node has its health, and what comes next. */
export function outlookOf({ health, silenceMs, left, waits }: LifeFacts, limits: HealthLimits): Outlook {
  const { disconnectedAfterMs, unknownAfterMs } = limits;
  const waiting = waits === undefined ? {} : { waits };
  const disconnected = `${formatDuration(disconnectedAfterMs)} (requester.nodeDisconnectedAfter)`;
  const unknown = `${formatDuration(unknownAfterMs)} (requester.nodeUnknownAfter)`;
  if (left) return { rule: 'it said that it stops', ...waiting };
  if (silenceMs === undefined)
    return { rule: 'nothing was heard of it since the requester began to listen for it', ...waiting };
  const inMs = (limitMs: number) => Math.max(0, limitMs - silenceMs);
  if (health === 'HEALTHY') {
    const isOverdue = silenceMs >= disconnectedAfterMs;
    const rule = isOverdue
      ? `it is silent for more than ${disconnected}, but the verdict waits`
      : `it was heard within the last ${disconnected}`;
    const after = unknownAfterMs <= disconnectedAfterMs ? 'UNKNOWN' : 'UNHEALTHY';
    return {
      rule,
      next: { health: after, inMs: inMs(Math.min(disconnectedAfterMs, unknownAfterMs)) },
      ...waiting,
    };
  }
  if (health === 'UNHEALTHY') {
    const next = { health: 'UNKNOWN', inMs: inMs(unknownAfterMs) } as const;
    return { rule: `it is silent for more than ${disconnected}`, next, ...waiting };
  }
  return { rule: `it is silent for more than ${unknown}`, ...waiting };
}
