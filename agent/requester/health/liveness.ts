// The signs of life of one node. What each heartbeat reads or writes of them is in a row of bytes.
import type { Health } from '../../protocol/node-state.ts';
import { type ByteRows, littleEndian } from '../../system/byte-rows.ts';
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
 * Where everything stands in a node's row that a heartbeat reads or writes: numbers of eight bytes, in which NaN stands for
 * undefined, those of the queue as `QueuePlaces` says, `announced` in one byte, and the id and the session. The last bytes are left
 * over, and hold one more number of which most nodes have one.
 */
export const place = {
  lastSeen: 0,
  lastSeenAt: 8,
  sequence: 16,
  older: 24,
  newer: 28,
  queue: 32,
  announced: 33,
  session: 34,
  healthySince: 120,
} as const;
export const bytesPerRow = 128;

/** The number of a health in a row is its index here. */
const healths: readonly Health[] = ['HEALTHY', 'UNHEALTHY', 'UNKNOWN'];
export const announcedHealthy = 0;

/** A node in the table. */
export class KeptLiveness implements Liveness {
  readonly id: string;
  left = false;
  /** The session, if it is not in the table's rows of sessions; null if it is there, or if the node's record has to be looked at. */
  session: string | undefined | null = null;
  silentSince: number | undefined;
  #row: number;
  #view: DataView;
  #at: number;

  constructor(id: string, announced: Health, rows: ByteRows) {
    this.id = id;
    this.#row = rows.add();
    const { view, at } = rows.at(this.#row);
    this.#view = view;
    this.#at = at;
    this.announced = announced;
    this.lastSeen = undefined;
    this.lastSeenAt = undefined;
    this.healthySince = undefined;
    this.sequence = 0;
  }

  get row(): number {
    return this.#row;
  }

  /** Gives its row back, and keeps its numbers for those who still have this node. */
  leave(rows: ByteRows): void {
    const from = this.#view.byteOffset + this.#at;
    this.#view = new DataView(this.#view.buffer.slice(from, from + bytesPerRow));
    this.#at = 0;
    rows.remove(this.#row);
    this.#row = noRow;
  }

  get announced(): Health {
    return healths[this.#view.getUint8(this.#at + place.announced)] ?? 'UNKNOWN';
  }
  set announced(value: Health) {
    this.#view.setUint8(this.#at + place.announced, healths.indexOf(value));
  }

  get lastSeen(): number | undefined {
    return orAbsent(this.#view.getFloat64(this.#at + place.lastSeen, littleEndian));
  }
  set lastSeen(value: number | undefined) {
    this.#view.setFloat64(this.#at + place.lastSeen, value ?? Number.NaN, littleEndian);
  }

  get lastSeenAt(): number | undefined {
    return orAbsent(this.#view.getFloat64(this.#at + place.lastSeenAt, littleEndian));
  }
  set lastSeenAt(value: number | undefined) {
    this.#view.setFloat64(this.#at + place.lastSeenAt, value ?? Number.NaN, littleEndian);
  }

  get healthySince(): number | undefined {
    return orAbsent(this.#view.getFloat64(this.#at + place.healthySince, littleEndian));
  }
  set healthySince(value: number | undefined) {
    this.#view.setFloat64(this.#at + place.healthySince, value ?? Number.NaN, littleEndian);
  }

  get sequence(): number {
    return this.#view.getFloat64(this.#at + place.sequence, littleEndian);
  }
  set sequence(value: number) {
    this.#view.setFloat64(this.#at + place.sequence, value, littleEndian);
  }
}

/** Returns the time since the last sign of life at the listening time `now`, in milliseconds; undefined as in `healthOf`. */
export function silenceAt({ lastSeen }: Pick<Liveness, 'lastSeen'>, now: number): number | undefined {
  return lastSeen === undefined ? undefined : now - lastSeen;
}

const orAbsent = (value: number): number | undefined => (Number.isNaN(value) ? undefined : value);
