// Decides which conditions a node has. A condition is a problem of a node that is alive. The rules are pure functions, and
// do not react to short changes.
import type { ConditionType } from '../protocol/condition-types.ts';
import { formatSize } from './values/size.ts';
import { tidy } from './values/tidy.ts';

export type { ConditionType };

export interface Condition {
  readonly type: ConditionType;
  /** One sentence. */
  readonly reason: string;
  /** Time when the condition began, RFC 3339 by this machine's clock. */
  readonly since: string;
}

/** The observations at one time. An absent member was not checked, and changes no condition. */
export interface Observation {
  readonly monotonicMs: number;
  /** The wall clock. */
  readonly now: Date;
  /** One sentence for each driver, library or tool of GPUs that did not answer. */
  readonly unresponsive?: readonly string[] | undefined;
  /** One sentence for each GPU that should be there and cannot be used. */
  readonly missingGpus?: readonly string[] | undefined;
  /** One sentence for each declared part, other than GPUs, that was not found. */
  readonly mismatches?: readonly string[] | undefined;
  /** The data folder's file system, in bytes. */
  readonly disk?: { readonly total: number; readonly available: number } | undefined;
  /** The memory that this process may use, in bytes. */
  readonly memory?: { readonly total: number; readonly available: number } | undefined;
  /** Time since the slow inventory was last taken, in milliseconds; infinite when there is none. */
  readonly inventoryAgeMs?: number | undefined;
}

/** The conditions, and the data that the rules need between two observations. */
export interface ConditionState {
  readonly conditions: readonly Condition[];
  /** For each condition that may soon change: the number of observations in a row that spoke for the change. */
  readonly against: Readonly<Partial<Record<ConditionType, number>>>;
  /** Wall clock minus monotonic clock at the last observation, in milliseconds. */
  readonly clockOffsetMs?: number;
  /** Monotonic time of the last jump of the wall clock, in milliseconds. */
  readonly jumpedAtMs?: number;
}

export const noConditions: ConditionState = { conditions: [], against: {} };

interface Rule {
  readonly type: ConditionType;
  /** Number of bad observations in a row that raise the condition. */
  readonly raiseAfter: number;
  /** Number of good observations in a row that clear the condition. */
  readonly clearAfter: number;
  /**
   * Returns why the observation is bad, or false when it is good, or undefined when it says nothing. For a raised
   * condition the limit is stricter, so that a value near the limit does not raise and clear it all the time. The reason
   * contains no changing figures, because each changed reason is sent and stored.
   */
  check(observation: Observation, raised: boolean, jump: ClockJump): string | false | undefined;
}

interface ClockJump {
  /** Size of the jump that just happened, in milliseconds, positive for forwards; absent when there was none. */
  readonly byMs?: number | undefined;
  /** Time since the last jump, in milliseconds. */
  readonly agoMs: number;
}

const minuteMs = 60_000;
const gib = 2 ** 30;

const rules: readonly Rule[] = [
  {
    // It is raised at once, because jobs fail meanwhile. It is cleared after two answers, because one answer may be chance.
    type: 'GpuDriverUnresponsive',
    raiseAfter: 1,
    clearAfter: 2,
    check: ({ unresponsive }) => sentences(unresponsive),
  },
  { type: 'GpuMissing', raiseAfter: 1, clearAfter: 1, check: ({ missingGpus }) => sentences(missingGpus) },
  {
    type: 'HardwareMismatch',
    raiseAfter: 1,
    clearAfter: 1,
    check: ({ mismatches }) => sentences(mismatches),
  },
  {
    // The limit is a tenth of the disk, but at most 10 GiB.
    type: 'DiskAlmostFull',
    raiseAfter: 1,
    clearAfter: 1,
    check({ disk }, raised) {
      if (!disk || disk.total <= 0) return undefined;
      const least = Math.min(disk.total / 10, 10 * gib);
      return (
        disk.available < least * (raised ? 1.25 : 1) &&
        `less than ${formatSize(least)} of ${formatSize(disk.total)} is left where the data folder is`
      );
    },
  },
  {
    // It is raised after two observations, because a job that starts may need a lot of memory for a moment.
    type: 'MemoryPressure',
    raiseAfter: 2,
    clearAfter: 2,
    check({ memory }, raised) {
      if (!memory || memory.total <= 0) return undefined;
      return (
        memory.available < memory.total * (raised ? 0.1 : 0.05) &&
        `less than a twentieth of ${formatSize(memory.total)} of memory is left`
      );
    },
  },
  {
    // It is shown for 10 minutes, because programs that used the clock may be wrong for a while.
    type: 'ClockJumped',
    raiseAfter: 1,
    clearAfter: 1,
    check(_, raised, { byMs, agoMs }) {
      if (byMs !== undefined) {
        const seconds = Math.round(Math.abs(byMs) / 1000);
        return byMs > 0
          ? `the clock went ${seconds} s forwards: it was set, or the machine slept`
          : `the clock was set ${seconds} s back`;
      }
      return raised && agoMs < 10 * minuteMs ? undefined : false;
    },
  },
  {
    // The inventory is taken every hour. One failure is not enough for a condition.
    type: 'InventoryStale',
    raiseAfter: 1,
    clearAfter: 1,
    check({ inventoryAgeMs }) {
      if (inventoryAgeMs === undefined) return undefined;
      if (inventoryAgeMs <= 150 * minuteMs) return false;
      return `the inventory could not be ${Number.isFinite(inventoryAgeMs) ? 'renewed' : 'taken'}`;
    },
  },
];

/** Returns the conditions after `observation`. A condition keeps its `since` while it lasts. */
export function updateConditions(before: ConditionState, observation: Observation): ConditionState {
  const { monotonicMs, now } = observation;
  const clockOffsetMs = now.getTime() - monotonicMs;
  const movedMs = before.clockOffsetMs === undefined ? 0 : clockOffsetMs - before.clockOffsetMs;
  // A clock that is corrected gradually moves by at most half a millisecond in a second, so this is a jump.
  const jumped = Math.abs(movedMs) >= 5000;
  const jumpedAtMs = jumped ? monotonicMs : before.jumpedAtMs;
  const jump = {
    byMs: jumped ? movedMs : undefined,
    agoMs: monotonicMs - (jumpedAtMs ?? Number.NEGATIVE_INFINITY),
  };
  const conditions: Condition[] = [];
  const against: Partial<Record<ConditionType, number>> = {};
  for (const rule of rules) {
    const { type } = rule;
    const raised = before.conditions.find(condition => condition.type === type);
    const reason = rule.check(observation, raised !== undefined, jump);
    const count = before.against[type] ?? 0;
    if (reason === undefined) {
      if (raised) conditions.push(raised);
      if (count > 0) against[type] = count;
    } else if (typeof reason === 'string' && raised) {
      conditions.push({ ...raised, reason });
    } else if (typeof reason === 'string') {
      if (count + 1 >= rule.raiseAfter) conditions.push({ type, reason, since: now.toISOString() });
      else against[type] = count + 1;
    } else if (raised && count + 1 < rule.clearAfter) {
      conditions.push(raised);
      against[type] = count + 1;
    }
  }
  return { conditions, against, clockOffsetMs, ...(jumpedAtMs === undefined ? {} : { jumpedAtMs }) };
}

function sentences(list: readonly string[] | undefined): string | false | undefined {
  // A message allows at most 500 characters here.
  return list && list.length > 0 && (tidy(list.join('; '), 500) ?? 'of unknown cause');
}
