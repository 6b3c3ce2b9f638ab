// The record writer changes the record of one node in the store: it reads the record, asks a rule, and writes what it says.
import type { RecordedChange } from '../../protocol/node-state.ts';
import { maxRemembered, rememberOperation } from '../../protocol/operation.ts';
import { maxFormerIds } from '../../protocol/rename.ts';
import type { Tombstone } from '../../protocol/tombstone.ts';
import type { Random } from '../../system/random.ts';
import { BrokerError, type Bucket, type BucketEntry } from '../../transport/port.ts';
import { NodeQueue } from './node-queue.ts';
import type { RecordChange } from './record-change.ts';
import { settle } from './rename-rules.ts';
import type { ChangeAnnouncer } from './roll-observer.ts';
import {
  keptChangesOf,
  laterChangesOf,
  markerRecord,
  operationOf,
  readEntry,
  signed,
  type WriteMark,
  type WriteRequest,
  write,
} from './store.ts';
import type { StoreFollower } from './store-follower.ts';
import type { StoreLife } from './store-life.ts';
import { lastRegistrationOf, operationsOf, recordOf, type StoredRecord } from './stored-record.ts';
import { type KnownBesides, shortTombstone, tombstoneFor, wholeTombstone } from './tombstones.ts';

/** Number of times that a change is tried while others write the same record. */
const maxAttempts = 8;

/** The error for a change of which nothing was written, because the store could not be read before. */
export class UnwrittenError extends BrokerError {}

export interface RecordWriterOptions {
  bucket: Bucket;
  life: StoreLife;
  random: Random;
  announcer: ChangeAnnouncer;
  follower: StoreFollower;
  /** Returns what is known of a node besides its record, for its tombstone. */
  known(id: string): KnownBesides;
  /** Whether this requester watches. Another one removes the markers otherwise. */
  watches(): boolean;
}

/** What was read of a node, and the mark of the write that follows. */
interface Read {
  id: string;
  entry: BucketEntry | undefined;
  stored: StoredRecord;
  operation: string;
}

export class RecordWriter {
  readonly #options: RecordWriterOptions;
  readonly #queue = new NodeQueue();

  constructor(options: RecordWriterOptions) {
    this.#options = options;
  }

  /** Returns whether a change of this node runs or waits. */
  isBusy(id: string): boolean {
    return this.#queue.isBusy(id);
  }

  /**
   * Makes the changes of one node one after the other, and returns what the rule said. The rule gets the record in the
   * store, and is called again when somebody else wrote in the meantime. With `mayBeNew`, an id of which memory knows nothing
   * is taken for one of which the store has nothing, as long as the rule then writes: the store refuses that write if it has
   * something. Most of the nodes that register are new, and so each of them saves one of two questions. @throws BrokerError when
   * the store does not answer, UnwrittenError when that was before the write; any error of the rule.
   */
  async change<T extends RecordChange>(
    id: string,
    rule: (stored: StoredRecord) => T,
    { mayBeNew = false } = {},
  ): Promise<T> {
    const endTurn = await this.#queue.begin(id);
    try {
      return await this.#changeInTurn(id, rule, mayBeNew);
    } finally {
      endTurn();
    }
  }

  /**
   * Removes a marker from the store, unless something newer is under its id, and forgets it. A requester that does not watch
   * only forgets it. Returns false when it is too early, because the event of the change is not acknowledged yet. @throws
   * BrokerError
   */
  async removeMarker(id: string, revision: number): Promise<boolean> {
    const { bucket, announcer, follower, watches } = this.#options;
    const endTurn = await this.#queue.begin(id);
    try {
      const isNewest = () => follower.records.stored(id).revision === revision;
      if (isNewest() && announcer.unacknowledgedChanges(id).length > 0) return false;
      if (watches()) await bucket.remove(id, revision);
      if (isNewest()) follower.forgetMarker(id);
      return true;
    } finally {
      endTurn();
    }
  }

  async #changeInTurn<T extends RecordChange>(
    id: string,
    rule: (stored: StoredRecord) => T,
    mayBeNew: boolean,
  ): Promise<T> {
    const { bucket, random, follower } = this.#options;
    const operation = random.uuid();
    let tried: T | undefined;
    const replaced = new Set<number>();
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      const isUnread = attempt === 1 && mayBeNew && this.#isUnknown(id);
      const entry = isUnread ? undefined : await bucket.get(id).catch(throwUnwritten);
      if (entry) follower.applyReads(await this.#readNewIds(entry).catch(throwUnwritten));
      const stored = follower.applyRead(id, entry);
      if (!stored) {
        await follower.compared().catch(throwUnwritten);
        continue;
      }
      // A cluster that chose a leader may refuse a second attempt because of the first one, and carry that out later.
      if (tried && entry && operationOf(entry) === operation) return tried;
      // What a rename has left to be tidied up comes before all else, so that its event does too.
      const arrived = this.#settle(id, stored);
      if (arrived) {
        const mark = { id, entry, stored, operation: random.uuid() };
        await this.#store(mark, arrived).catch(throwUnwritten);
        continue;
      }
      const outcome = rule(stored);
      // What changes nothing is right only for what the store has.
      if (!outcome.write && isUnread) continue;
      if (!outcome.write) return outcome;
      tried = outcome;
      const isStored = await this.#store({ id, entry, stored, operation }, outcome).catch(error =>
        throwDoubtful(error, attempt),
      );
      if (isStored) return outcome;
      replaced.add(stored.revision);
    }
    // The store says that it was written, and what was read does not have that yet.
    const why =
      replaced.size === 1
        ? `an earlier write of the record of node ${id} is not acknowledged`
        : `the record of node ${id} changes faster than it can be written`;
    throw new BrokerError('timeout', why);
  }

  #isUnknown(id: string): boolean {
    const { kind, revision } = this.#options.follower.records.stored(id);
    return kind === 'absent' && revision === 0;
  }

  #settle(id: string, stored: StoredRecord): RecordChange | undefined {
    const formerId = (stored.kind === 'record' && stored.state.Muster?.FormerIDs?.[0]?.ID) || undefined;
    if (formerId === undefined) return undefined;
    const outcome = settle(id, stored, this.#options.follower.records.stored(formerId));
    return outcome.write ? outcome : undefined;
  }

  // Writes what a rule said of what was read. Returns false when somebody else wrote first.
  async #store({ id, entry, stored, operation }: Read, outcome: RecordChange): Promise<boolean> {
    const { write: state, change } = outcome;
    if (!state) return false;
    const changes = kept(entry, stored, state);
    const operations = operationsAfter(stored, outcome);
    const registration = typeof state === 'string' ? lastRegistrationOf(stored) : undefined;
    const { revision } = stored;
    const tombstone = this.#tombstone(id, stored, outcome);
    return this.#write(
      { id, state, changes, revision, operation, operations, registration, tombstone },
      change,
    );
  }

  // Reads the record under the new id of a node that was renamed, unless the watch has brought it: applied alone, the marker
  // would take the node from the roll for a moment. Of a node that was renamed again, the last one comes first.
  async #readNewIds(entry: BucketEntry): Promise<BucketEntry[]> {
    const { bucket, follower } = this.#options;
    const found: BucketEntry[] = [];
    let newId = follower.unknownNewId(entry.key, readEntry(entry));
    while (newId !== undefined && found.length < maxFormerIds) {
      const newer = await bucket.get(newId);
      if (!newer) break;
      found.unshift(newer);
      const stored = readEntry(newer);
      newId = stored.kind === 'renamed' ? stored.to : undefined;
    }
    return found;
  }

  #tombstone(id: string, stored: StoredRecord, { write, change }: RecordChange): Tombstone | undefined {
    const whole = wholeTombstone(stored);
    if (write === 'shortened') return whole && shortTombstone(whole);
    if (!change || (write !== 'deleted' && write !== 'forgotten')) return undefined;
    return tombstoneFor(stored, change, write === 'forgotten', this.#options.known(id));
  }

  // Writes a change. `request` contains the changes of a later version only. Returns false when somebody else wrote first.
  async #write(
    request: Omit<WriteRequest, 'incarnation'>,
    change: RecordedChange | undefined,
  ): Promise<boolean> {
    const { bucket, announcer, life, follower } = this.#options;
    const { id, state, operation, operations = [], registration, tombstone } = request;
    const mark: WriteMark = { operation, operations, incarnation: await life.find() };
    const own = change && { ...change, Store: mark.incarnation };
    const changes = [...request.changes, ...announcer.unacknowledgedChanges(id), ...(own ? [own] : [])];
    const isWithdrawn = state === 'withdrawn';
    const apply = (revision: number) => {
      const written: StoredRecord =
        typeof state === 'string'
          ? markerRecord(revision, { changes, operations, registration, tombstone, isWithdrawn })
          : recordOf(revision, signed(state, mark));
      follower.applyWrite(id, written, own && { ...own, Revision: revision });
    };
    const { ownWrites } = follower;
    try {
      const onEncoded = (value: Uint8Array) => ownWrites.begin(id, value, apply);
      const revision = await write(bucket, { ...request, ...mark, changes }, onEncoded);
      if (revision === undefined) return false;
      apply(revision);
      return true;
    } finally {
      ownWrites.end(id);
    }
  }
}

// Returns the changes that stand in the entry, and stay in what takes its place.
function kept(entry: BucketEntry | undefined, { kind }: StoredRecord, state: WriteRequest['state']) {
  // The changes of an older record that came back were announced long ago.
  if (!entry || kind === 'lost') return [];
  return state === 'shortened' ? keptChangesOf(entry) : laterChangesOf(entry);
}

// A record keeps the operations of the one that it replaces, so that none is carried out twice.
function operationsAfter(
  stored: StoredRecord,
  { change, remembered, operations = [] }: RecordChange,
): readonly string[] {
  const { Kind: kind, Operation: operation, Banned: isBan = false } = change ?? {};
  const others = operations.filter(text => !operationsOf(stored).includes(text));
  const before = [...operationsOf(stored), ...others].slice(-maxRemembered);
  if (remembered) return rememberOperation(before, remembered);
  return kind && operation ? rememberOperation(before, { kind, operation, isBan }) : before;
}

// The write that is under way may be that of an earlier attempt.
function throwDoubtful(error: unknown, attempt: number): never {
  if (attempt === 1 || !(error instanceof BrokerError) || error.fault !== 'write_under_way') throw error;
  throw new BrokerError('timeout', error.message, { cause: error });
}

function throwUnwritten(error: unknown): never {
  if (!(error instanceof BrokerError)) throw error;
  throw new UnwrittenError(error.fault, error.message, { cause: error });
}
