// The unreadable log says which records cannot be read: one line for all that a reading of the store found, and then a line
// once in a while.
import type { Clock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';

/** Number of nodes that a line names. */
const named = 3;

export class UnreadableLog {
  readonly #log: Log;
  readonly #limited: LimitedLog;
  /**
   * The number of records that the present reading found, and the first nodes; undefined when the store is not being
   * read.
   */
  #found: { records: number; nodes: string[] } | undefined;

  constructor({ log, clock }: { log: Log; clock: Clock }) {
    this.#log = log;
    this.#limited = limitedLog(log, clock);
  }

  /** Notes that the store is read from its beginning. What was found so far stays counted. */
  beginReading(): void {
    this.#found ??= { records: 0, nodes: [] };
  }

  /** Notes that the store was read, and writes the line. */
  endReading(): void {
    const found = this.#found;
    this.#found = undefined;
    if (!found || found.records === 0) return;
    this.#log.error({ ...found }, 'the records of these nodes cannot be read; they are left alone');
  }

  /** Notes a record that cannot be read. */
  add(node: string): void {
    const found = this.#found;
    if (!found) {
      this.#limited.error('unreadable', { node }, 'the record of this node cannot be read; it is left alone');
      return;
    }
    found.records++;
    if (found.nodes.length < named) found.nodes.push(node);
  }
}
