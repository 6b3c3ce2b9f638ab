// The store comparison finds the nodes whose records the store lost, and remembers them until an operator decides.
import { type Clock, sleep } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError } from '../../transport/port.ts';
import { type ComparisonContext, gaveWaySince, isLost } from './loss-rules.ts';
import { type AnnouncedMembership, absentRecord, type StoredRecord } from './stored-record.ts';

/** Time that a change waits for a comparison, in milliseconds. A node waits 5 s for the answer to its request. */
const waitMs = 2_000;
/** Number of nodes that a line of the log names. */
const namedInLog = 3;

export interface StoreComparisonOptions {
  clock: Clock;
  log: Log;
  /** Returns the present incarnation of the store, and the policy. @throws BrokerError */
  readContext(): Promise<ComparisonContext>;
  /** Returns what was announced last of each node. @throws BrokerError */
  readAnnounced(): Promise<ReadonlyMap<string, AnnouncedMembership>>;
  /** Called when the number of lost records has changed. */
  onChange(): void;
}

export class StoreComparison {
  readonly #options: StoreComparisonOptions;
  #lost = new Map<string, AnnouncedMembership>();
  #context: ComparisonContext | undefined;
  /** Resolves at the end of the comparison that is due or under way; undefined when none is. */
  #due: PromiseWithResolvers<void> | undefined;
  /** Whether the first comparison has ended. Before that, `#lost` also has nodes whose records are still to come. */
  #hasStarted = false;
  #logged = 0;

  constructor(options: StoreComparisonOptions) {
    this.#options = options;
  }

  /** The nodes whose records the store lost, with what was announced of each. */
  get lost(): ReadonlyMap<string, AnnouncedMembership> {
    return this.#lost;
  }

  /** Whether the store may have lost records that are not known yet. */
  get isDue(): boolean {
    return this.#due !== undefined;
  }

  /** Notes that a comparison is needed. Until it has ended, nothing may be decided about a node without a record. */
  require(): void {
    this.#due ??= Promise.withResolvers();
  }

  /** Waits for the comparison that is due. @throws BrokerError `timeout` when it takes too long. */
  async ended(): Promise<void> {
    const due = this.#due;
    if (!due) return;
    const waiting = new AbortController();
    await Promise.race([due.promise, sleep(this.#options.clock, waitMs, waiting.signal)]);
    waiting.abort();
    if (this.#due === due)
      throw new BrokerError(
        'timeout',
        'the store may have lost records, and is being compared with its events',
      );
  }

  /** Reads what was announced, before the records are read for the first time. @throws BrokerError */
  async start(): Promise<void> {
    const { readAnnounced, readContext } = this.#options;
    this.#context = await readContext();
    this.#lost = new Map(await readAnnounced());
  }

  /**
   * Returns what counts as stored under `id` when the store has `stored`: the same, unless the store lost the record or has
   * an older one.
   */
  judge(id: string, stored: StoredRecord): StoredRecord {
    const announced = this.#lost.get(id);
    if (!announced || !this.#context) return stored;
    if (isLost(announced, stored, this.#context)) return lostRecord(announced, stored.revision);
    const isOver = gaveWaySince(announced, stored, this.#context);
    this.#lost.delete(id);
    if (this.#hasStarted) this.#report();
    return isOver ? { kind: 'absent', revision: stored.revision } : stored;
  }

  /**
   * Compares the records in memory with what was announced. `stored` returns the record of an id; `onJudged` is called with
   * what counts in place of each record that does not count. Use it after all records were read. @throws BrokerError
   */
  async run(
    stored: (id: string) => StoredRecord,
    onJudged: (id: string, record: StoredRecord) => void,
  ): Promise<void> {
    const due = this.#due;
    const { readAnnounced, readContext } = this.#options;
    // The first time, everything was read before the records.
    const announcedNow = this.#hasStarted ? await readAnnounced() : [];
    const context = this.#hasStarted || !this.#context ? await readContext() : this.#context;
    const before = this.#lost;
    this.#hasStarted = true;
    this.#context = context;
    // What was lost before may no longer be in the events.
    this.#lost = new Map([...before, ...announcedNow]);
    for (const [id, announced] of this.#lost) {
      const inMemory = stored(id);
      const { revision } = inMemory;
      // An older record was judged when it was read.
      const isJudged = before.has(id) && revision > 0;
      if (isJudged || isLost(announced, revision > 0 ? inMemory : absentRecord, context)) {
        onJudged(id, lostRecord(announced, revision));
        continue;
      }
      if (gaveWaySince(announced, inMemory, context)) onJudged(id, { kind: 'absent', revision });
      this.#lost.delete(id);
    }
    this.#report();
    if (this.#due !== due) return;
    this.#due = undefined;
    due?.resolve();
  }

  #report(): void {
    const { log, onChange } = this.#options;
    const records = this.#lost.size;
    if (records > this.#logged) {
      const nodes = [...this.#lost.keys()].slice(0, namedInLog);
      const text =
        'the store lost records of nodes; nothing is decided about them until: muster store rebuild';
      log.warn({ records, nodes }, text);
    } else if (records === 0 && this.#logged > 0) log.info({}, 'the store has all records again');
    if (records !== this.#logged) onChange();
    this.#logged = records;
  }
}

// Returns what stands for a lost record. A node that was deleted stays deleted when its marker is missing. When the store
// has an older record of it instead, only an operator can say whether the event of its deletion is true: somebody may
// have forged it, and a node that hears that it was deleted goes quiet for good.
function lostRecord(announced: AnnouncedMembership, revision: number): StoredRecord {
  const { membership, reason } = announced;
  if (membership === '' && revision === 0)
    return { kind: 'deleted', revision, ...(reason ? { reason } : {}) };
  return { kind: 'lost', revision, announced };
}
