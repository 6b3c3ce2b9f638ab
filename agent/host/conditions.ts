// Conditions: what is wrong with a node that is alive. Pure rules, slow to change their mind.
import { formatSize } from './values/size.ts';
import { tidy } from './values/tidy.ts';

export type ConditionType =
  | 'GpuDriverUnresponsive'
  | 'GpuMissing'
  | 'HardwareMismatch'
  | 'DiskAlmostFull'
  | 'MemoryPressure'
  | 'ClockJumped'
  | 'InventoryStale';

export interface Condition {
  readonly type: ConditionType;
  /** One sentence. */
  readonly reason: string;
  /** When it came up, RFC 3339 by this machine's clock. */
  readonly since: string;
}

/** What is known at one time. Absent members were not looked at: they change nothing. */
export interface Observation {
  /** Milliseconds of the monotonic clock, and the wall clock. */
  readonly monotonic: number;
  readonly now: Date;
  /** Drivers, libraries and tools of GPUs that did not answer, a sentence each. */
  readonly unresponsive?: readonly string[] | undefined;
  /** GPUs that should be there and cannot be used, a sentence each. */
  readonly missingGpus?: readonly string[] | undefined;
  /** Declared hardware other than GPUs that was not found, a sentence each. */
  readonly mismatches?: readonly string[] | undefined;
  /** Bytes of the data folder's file system. */
  readonly disk?: { readonly total: number; readonly available: number } | undefined;
  /** Bytes. */
  readonly memory?: { readonly total: number; readonly available: number } | undefined;
  /** Milliseconds in which the slow inventory was not renewed; infinite when there is none. */
  readonly inventoryAge?: number | undefined;
}

/** All that the rules remember. */
export interface ConditionState {
  readonly conditions: readonly Condition[];
  /** How often in a row the evidence spoke against the present state. */
  readonly against: Readonly<Partial<Record<ConditionType, number>>>;
  /** Wall clock less monotonic clock, in milliseconds, at the last look. */
  readonly offset?: number;
  /** Monotonic time of the last jump. */
  readonly jumpedAt?: number;
}

export const noConditions: ConditionState = { conditions: [], against: {} };

interface Rule {
  readonly type: ConditionType;
  /** How often in a row it must look bad before it is said, and good before it is taken back. */
  readonly raiseAfter: number;
  readonly clearAfter: number;
  /**
   * Why it is bad; false when it is good; undefined without evidence. While raised it is harder to please, so that a value
   * at the border does not go back and forth. The reason holds no figure that moves, as a changed one is news.
   */
  look(seen: Observation, raised: boolean, jump: Jump): string | false | undefined;
}

interface Jump {
  /** Milliseconds; positive is forwards. */
  readonly by?: number | undefined;
  /** Milliseconds since the last one. */
  readonly ago: number;
}

const minute = 60_000;
const gib = 2 ** 30;

const rules: readonly Rule[] = [
  {
    // Said at once, as jobs fail meanwhile. One answer may be luck.
    type: 'GpuDriverUnresponsive',
    raiseAfter: 1,
    clearAfter: 2,
    look: ({ unresponsive }) => sentences(unresponsive),
  },
  { type: 'GpuMissing', raiseAfter: 1, clearAfter: 1, look: ({ missingGpus }) => sentences(missingGpus) },
  { type: 'HardwareMismatch', raiseAfter: 1, clearAfter: 1, look: ({ mismatches }) => sentences(mismatches) },
  {
    // A tenth, but of a large disk 10 GiB will do.
    type: 'DiskAlmostFull',
    raiseAfter: 1,
    clearAfter: 1,
    look({ disk }, raised) {
      if (!disk || disk.total <= 0) return undefined;
      const least = Math.min(disk.total / 10, 10 * gib);
      return (
        disk.available < least * (raised ? 1.25 : 1) &&
        `less than ${formatSize(least)} of ${formatSize(disk.total)} is left where the data folder is`
      );
    },
  },
  {
    // Twice in a row, as a job that starts may take a lot for a moment.
    type: 'MemoryPressure',
    raiseAfter: 2,
    clearAfter: 2,
    look({ memory }, raised) {
      if (!memory || memory.total <= 0) return undefined;
      return (
        memory.available < memory.total * (raised ? 0.1 : 0.05) &&
        `less than a twentieth of ${formatSize(memory.total)} of memory is left`
      );
    },
  },
  {
    // Shown for 10 minutes, as what used the clock meanwhile may be wrong for longer than the jump.
    type: 'ClockJumped',
    raiseAfter: 1,
    clearAfter: 1,
    look(_, raised, { by, ago }) {
      if (by !== undefined) {
        const seconds = Math.round(Math.abs(by) / 1000);
        return by > 0
          ? `the clock went ${seconds} s forwards: it was set, or the machine slept`
          : `the clock was set ${seconds} s back`;
      }
      return raised && ago < 10 * minute ? undefined : false;
    },
  },
  {
    // It is taken hourly; one that is late or fails is no matter yet.
    type: 'InventoryStale',
    raiseAfter: 1,
    clearAfter: 1,
    look({ inventoryAge: age }) {
      if (age === undefined) return undefined;
      if (age <= 150 * minute) return false;
      return `the inventory could not be ${Number.isFinite(age) ? 'renewed' : 'taken'}`;
    },
  },
];

/** What is to be said now, by what was said before and what is seen. Conditions keep their `since` while they last. */
export function updateConditions(before: ConditionState, seen: Observation): ConditionState {
  const offset = seen.now.getTime() - seen.monotonic;
  const moved = before.offset === undefined ? 0 : offset - before.offset;
  // A clock that is corrected bit by bit moves half a millisecond a second at most.
  const jumped = Math.abs(moved) >= 5000;
  const jumpedAt = jumped ? seen.monotonic : before.jumpedAt;
  const jump = {
    by: jumped ? moved : undefined,
    ago: seen.monotonic - (jumpedAt ?? Number.NEGATIVE_INFINITY),
  };
  const conditions: Condition[] = [];
  const against: Partial<Record<ConditionType, number>> = {};
  for (const rule of rules) {
    const { type } = rule;
    const raised = before.conditions.find(condition => condition.type === type);
    const found = rule.look(seen, raised !== undefined, jump);
    const count = before.against[type] ?? 0;
    if (found === undefined) {
      if (raised) conditions.push(raised);
      if (count > 0) against[type] = count;
    } else if (typeof found === 'string' && raised) {
      conditions.push({ ...raised, reason: found });
    } else if (typeof found === 'string') {
      if (count + 1 >= rule.raiseAfter)
        conditions.push({ type, reason: found, since: seen.now.toISOString() });
      else against[type] = count + 1;
    } else if (raised && count + 1 < rule.clearAfter) {
      conditions.push(raised);
      against[type] = count + 1;
    }
  }
  return { conditions, against, offset, ...(jumpedAt === undefined ? {} : { jumpedAt }) };
}

function sentences(list: readonly string[] | undefined): string | false | undefined {
  // As long as a message may have it.
  return list && list.length > 0 && (tidy(list.join('; '), 500) ?? 'of unknown cause');
}
