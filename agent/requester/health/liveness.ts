// The signs of life of one node. Each heartbeat writes its numbers, so they are in a row of numbers.
import type { Health } from '../../protocol/node-state.ts';
import type { NumberRows } from '../../system/number-rows.ts';
import { noRow } from '../../system/row-queue.ts';

/** The data about one node's signs of life, in memory only. */
export interface Liveness {
  readonly id: string;
  /** Listening time at the last sign of life, in milliseconds; undefined as in `healthOf`. */
  lastSeen: number | undefined;
  /**
   * Wall-clock time of the last sign of life, in milliseconds since 1970, also of one before the requester started. The next
   * two have the same unit.
   */
  lastSeenAt: number | undefined;
  /** Time when the node last became HEALTHY. */
  healthySince: number | undefined;
  /** Time when the node last ceased to be HEALTHY; undefined while it is HEALTHY. */
  silentSince: number | undefined;
  /** Whether the node said that it stops. */
  left: boolean;
  /** The health that was last announced to other systems. */
  announced: Health;
  /** The number in the node's latest heartbeat. */
  sequence: number;
  /** The row of its numbers in the table; `noRow` when it was removed. */
  readonly row: number;
}

/**
 * The columns of a node's numbers: first those that each heartbeat writes, or reads. NaN stands for undefined. Those of the queue
 * are as `QueueColumns` says.
 */
export const column = {
  lastSeen: 0,
  lastSeenAt: 1,
  sequence: 2,
  announced: 3,
  queue: 4,
  older: 5,
  newer: 6,
  healthySince: 7,
  silentSince: 8,
} as const;
export const columns = 9;

/** The number of a health in its column is its index here. */
const healths: readonly Health[] = ['HEALTHY', 'UNHEALTHY', 'UNKNOWN'];
export const announcedHealthy = 0;

/** A node in the table. */
export class KeptLiveness implements Liveness {
  readonly id: string;
  left = false;
  /** The session, if it is not in the table's rows of sessions; null if it is there, or if the node's record has to be looked at. */
  session: string | undefined | null = null;
  #row: number;
  #block: Float64Array;
  #at: number;

  constructor(id: string, announced: Health, rows: NumberRows) {
    this.id = id;
    this.#row = rows.add();
    const { block, at } = rows.at(this.#row);
    this.#block = block;
    this.#at = at;
    this.announced = announced;
    this.sequence = 0;
  }

  get row(): number {
    return this.#row;
  }

  /** Gives its row back, and keeps its numbers for those who still have this node. */
  leave(rows: NumberRows): void {
    this.#block = this.#block.slice(this.#at, this.#at + columns);
    this.#at = 0;
    rows.remove(this.#row);
    this.#row = noRow;
  }

  get announced(): Health {
    return healths[this.#block[this.#at + column.announced] ?? -1] ?? 'UNKNOWN';
  }
  set announced(value: Health) {
    this.#block[this.#at + column.announced] = healths.indexOf(value);
  }

  get lastSeen(): number | undefined {
    return orAbsent(this.#block[this.#at + column.lastSeen]);
  }
  set lastSeen(value: number | undefined) {
    this.#block[this.#at + column.lastSeen] = value ?? Number.NaN;
  }

  get lastSeenAt(): number | undefined {
    return orAbsent(this.#block[this.#at + column.lastSeenAt]);
  }
  set lastSeenAt(value: number | undefined) {
    this.#block[this.#at + column.lastSeenAt] = value ?? Number.NaN;
  }

  get healthySince(): number | undefined {
    return orAbsent(this.#block[this.#at + column.healthySince]);
  }
  set healthySince(value: number | undefined) {
    this.#block[this.#at + column.healthySince] = value ?? Number.NaN;
  }

  get silentSince(): number | undefined {
    return orAbsent(this.#block[this.#at + column.silentSince]);
  }
  set silentSince(value: number | undefined) {
    this.#block[this.#at + column.silentSince] = value ?? Number.NaN;
  }

  get sequence(): number {
    return this.#block[this.#at + column.sequence] ?? 0;
  }
  set sequence(value: number) {
    this.#block[this.#at + column.sequence] = value;
  }
}

/** Returns the time since the last sign of life at the listening time `now`, in milliseconds; undefined as in `healthOf`. */
export function silenceAt({ lastSeen }: Pick<Liveness, 'lastSeen'>, now: number): number | undefined {
  return lastSeen === undefined ? undefined : now - lastSeen;
}

const orAbsent = (value: number | undefined): number | undefined =>
  value === undefined || Number.isNaN(value) ? undefined : value;
