// The unreadable log says which records cannot be read, and which are under keys that are no ids of muster: one line for all that
// a reading of the store found, and then a line once in a while.
import { nodeIdRule } from '../../protocol/schema.ts';
import type { Clock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { printable } from '../../system/printable.ts';

/** Number of nodes that a line names. */
const named = 3;
/** Length of the longest key that a line names as a whole. */
const maxKeyLength = 128;

export class UnreadableLog {
  readonly #log: Log;
  readonly #limited: LimitedLog;
  /** What the present reading found; undefined when the store is not being read. */
  #found: { unreadable: Found; foreign: Found } | undefined;

  constructor({ log, clock }: { log: Log; clock: Clock }) {
    this.#log = log;
    this.#limited = limitedLog(log, clock);
  }

  /** Notes that the store is read from its beginning. What was found so far stays counted. */
  beginReading(): void {
    this.#found ??= { unreadable: { records: 0, nodes: [] }, foreign: { records: 0, nodes: [] } };
  }

  /** Notes that the store was read, and writes the line. */
  endReading(): void {
    const { unreadable, foreign } = this.#found ?? {};
    this.#found = undefined;
    if (unreadable && unreadable.records > 0)
      this.#log.error({ ...unreadable }, 'the records of these nodes cannot be read; they are left alone');
    if (foreign && foreign.records > 0)
      this.#log.warn({ ...foreign }, `these nodes are left alone, because ${nodeIdRule}`);
  }

  /** Notes a record that cannot be read. */
  add(node: string): void {
    if (this.#found) count(this.#found.unreadable, node);
    else
      this.#limited.error('unreadable', { node }, 'the record of this node cannot be read; it is left alone');
  }

  /** Notes a record under a key that is no id of muster. Bacalhau allows a few more characters. */
  addForeign(key: string): void {
    const node = printable(key, maxKeyLength);
    if (this.#found) count(this.#found.foreign, node);
    else this.#limited.warn('foreign', { node }, `this node is left alone, because ${nodeIdRule}`);
  }
}

/** Number of records, and the first nodes. */
interface Found {
  records: number;
  nodes: string[];
}

function count(found: Found, node: string): void {
  found.records++;
  if (found.nodes.length < named) found.nodes.push(node);
}
