// Keeps the tombstones of nodes that are gone within bounds. The requester that watches shortens the oldest ones, some at a time.
import { type Tombstone, tombstoneLimits } from '../../protocol/tombstone.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { inGroups } from '../../system/in-groups.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { Rounds } from '../../system/rounds.ts';
import { BrokerError } from '../../transport/port.ts';
import type { Roll } from '../roll/roll.ts';
import type { StoredRecord } from '../roll/stored-record.ts';
import { tombstoneBytes, wholeTombstone } from '../roll/tombstones.ts';

/** Time between two looks, in milliseconds. */
const lookMs = 10_000;
/** Number of tombstones that are shortened in one look at most, and at the same time. */
const perLook = 500;
const atOnce = 8;
/** Number of nodes that a line of the log names. */
const namedInLog = 5;

export interface TombstoneRoomOptions {
  clock: Clock;
  log: Log;
  roll: Pick<Roll, 'shortenTombstone'> & {
    records: { gone(): Iterable<[id: string, stored: StoredRecord]> };
  };
  limits?: typeof tombstoneLimits | undefined;
}

export class TombstoneRoom {
  readonly #options: TombstoneRoomOptions;
  readonly #limitedLog: LimitedLog;
  readonly #rounds: Rounds;

  constructor(options: TombstoneRoomOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
    this.#rounds = new Rounds({ clock: options.clock, pauseMs: lookMs, work: () => this.#look() });
  }

  /** Begins to make room, because this requester begins to watch. Returns what ends that. */
  begin(): { stop(): void } {
    this.#rounds.start();
    return this.#rounds;
  }

  async #look(): Promise<void> {
    const { roll, limits = tombstoneLimits, log } = this.#options;
    const due = surplus(roll.records.gone(), limits).slice(0, perLook);
    const shortened: string[] = [];
    await inGroups(due, atOnce, async id => {
      const isDone = await this.#shorten(id);
      if (isDone) shortened.push(id);
      return isDone;
    });
    const fields = { number: shortened.length, nodes: shortened.slice(0, namedInLog) };
    const text = 'many nodes are gone, and those that went first cannot be brought back any more';
    if (shortened.length > 0) log.info(fields, text);
  }

  async #shorten(id: string): Promise<boolean> {
    if (!this.#rounds.isOn) return false;
    try {
      await this.#options.roll.shortenTombstone(id);
      return true;
    } catch (error) {
      // A MusterError says that the store may not be written.
      if (!(error instanceof BrokerError || error instanceof MusterError)) throw error;
      const text = 'a tombstone could not be shortened; it is tried again';
      this.#limitedLog.warn('shorten', { node: id, err: error }, text);
      return false;
    }
  }
}

/** The bytes of each tombstone, which never changes while it is in memory. */
const knownBytes = new WeakMap<Tombstone, number>();

/** Returns the nodes whose tombstones are beyond the limits, the one that went first before the others. */
export function surplus(
  entries: Iterable<[id: string, stored: StoredRecord]>,
  { number, bytes }: typeof tombstoneLimits,
): string[] {
  const whole: { id: string; goneAt: number; size: number }[] = [];
  let total = 0;
  for (const [id, stored] of entries) {
    const tombstone = wholeTombstone(stored);
    if (!tombstone) continue;
    const size = knownBytes.get(tombstone) ?? tombstoneBytes(tombstone);
    knownBytes.set(tombstone, size);
    total += size;
    whole.push({ id, goneAt: Date.parse(tombstone.GoneAt), size });
  }
  if (whole.length <= number && total <= bytes) return [];
  whole.sort((a, b) => a.goneAt - b.goneAt);
  let left = whole.length;
  const isBeyond = ({ size }: { size: number }) => {
    if (left <= number && total <= bytes) return false;
    left--;
    total -= size;
    return true;
  };
  return whole.filter(isBeyond).map(({ id }) => id);
}
