// Takes records into memory, in the order of their revisions, and tells the observers and the announcer of the changes.
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import type { BucketEntry } from '../../transport/port.ts';
import { type Records, RecordTable } from './record-table.ts';
import type { ChangeAnnouncer, RollObserver } from './roll-observer.ts';
import { changesOf, readEntry } from './store.ts';
import type { StoreComparison } from './store-comparison.ts';
import type { StoreLife } from './store-life.ts';
import {
  absentRecord,
  hasArrived,
  incarnationOf,
  operationOf,
  recordOf,
  type StoredRecord,
} from './stored-record.ts';
import { UsualRecords } from './usual-records.ts';

export interface CurrentRecordsOptions {
  life: StoreLife;
  announcer: ChangeAnnouncer;
  /** The observers, which are called in this order. */
  observers: readonly RollObserver[];
  /** Says which entries of the store do not count, because the store lost a newer one. */
  comparison: StoreComparison;
  /** Called with each record that was taken into memory, before the observers are. `before` is the one it replaces. */
  onApplied(id: string, stored: StoredRecord, before: NodeState | undefined): void;
}

/** Called with each entry of the first pass, and with those of its changes that may not have been announced. */
export type OnLoaded = (id: string, stored: StoredRecord, changes: RecordedChange[]) => void;

export class CurrentRecords {
  readonly #options: CurrentRecordsOptions;
  readonly #table = new RecordTable();
  readonly #usual = new UsualRecords();

  constructor(options: CurrentRecordsOptions) {
    this.#options = options;
  }

  /** The records in memory, for reading. */
  get table(): Records {
    return this.#table;
  }

  /** Applies an entry that is read when the requester starts. No observer hears of it. */
  load(entry: BucketEntry, onLoaded: OnLoaded): void {
    const usual = this.#readUsual(entry);
    const stored = usual ?? readEntry(entry);
    // The key is a part of a longer text and would keep that text in memory. So the id is taken from the record.
    const id = 'state' in stored ? stored.state.Info.NodeID : entry.key;
    const judged = this.#options.comparison.judge(id, stored);
    // The changes of an older record that came back were announced long ago.
    const changes = judged === stored ? changesOf(entry, stored) : undefined;
    if (changes) onLoaded(id, stored, changes);
    this.#take(id, judged, { onLoaded, isShared: usual !== undefined });
    if (usual) return;
    const kept = this.#table.stored(id);
    if (kept.kind === 'record' && judged === stored) this.#usual.learn(entry.value, kept.state);
  }

  #readUsual({ key, value, revision, marker }: BucketEntry): StoredRecord | undefined {
    const state = marker ? undefined : this.#usual.read(value);
    return state?.Info.NodeID === key && state.Info.NodeType !== '' ? recordOf(revision, state) : undefined;
  }

  /**
   * Applies an entry of the store, read as `stored`, that came from the watch or from a read. A write whose answer was lost is seen only here,
   * and so are the writes of other requesters. `former` is what memory had under this id, also when it was removed because
   * the store was lost. `mayBeOlder` tells that the entry may be one that came back, so that its changes may have been
   * announced long ago.
   */
  applyEntry(
    entry: BucketEntry,
    stored: StoredRecord,
    former: StoredRecord,
    { mayBeOlder = false } = {},
  ): void {
    const changes = changesOf(entry, stored).filter(change => isNew(change, stored, former));
    this.apply(entry.key, stored, changes, { mayBeOlder });
  }

  /**
   * Applies a record, unless its revision is already in memory, and announces `changes`. The revision may come from a
   * write, a read or the watch. `mayBeOlder` is as in `applyEntry`.
   */
  apply(
    id: string,
    stored: StoredRecord,
    changes: readonly RecordedChange[],
    { mayBeOlder = false } = {},
  ): void {
    if (this.#table.stored(id).revision >= stored.revision) return;
    const { announcer, comparison } = this.#options;
    const judged = comparison.judge(id, stored);
    this.#take(id, judged);
    if (judged !== stored) return;
    for (const change of changes)
      if (change.Revision === stored.revision && !mayBeOlder) announcer.announceChange(id, change);
      else announcer.announceEarlierChange(id, change);
  }

  /** Replaces a record, for example by a lost one, and takes the node from the roll. */
  replace(id: string, stored: StoredRecord): void {
    const before = this.#table.get(id);
    this.#table.set(id, stored);
    if (before) this.#notifyRemoved(id);
  }

  /** Forgets a record and takes the node from the roll. */
  remove(id: string): void {
    const wasOnRoll = this.#table.get(id) !== undefined;
    this.#table.delete(id);
    if (wasOnRoll) this.#notifyRemoved(id);
  }

  /** Notes that the store may no longer have an entry under `id`. */
  forgetRevision(id: string): void {
    this.#table.forgetRevision(id);
  }

  // What one entry changes for two ids changes for both at once, so that each reader finds a renamed node under one of them.
  #take(id: string, judged: StoredRecord, loading?: { onLoaded: OnLoaded; isShared: boolean }): void {
    this.#options.life.onRevision(judged.revision);
    const steps = [this.#replace(id, judged, loading?.isShared)];
    const arriving = judged.kind === 'renamed' ? this.#table.stored(judged.to) : judged;
    const newId = judged.kind === 'renamed' ? judged.to : id;
    const formerId = 'state' in arriving ? arriving.state.Muster?.FormerIDs?.[0]?.ID : undefined;
    if (formerId !== undefined && 'state' in arriving) {
      const former = this.#table.stored(formerId);
      if (arriving.kind === 'arriving' && hasArrived(newId, arriving.state, former)) {
        const arrived = { ...arriving, kind: 'record' as const };
        steps.push(this.#replace(newId, arrived));
        loading?.onLoaded(newId, arrived, []);
      } else if (arriving.kind === 'record' && isReplacedBy(arriving, former))
        steps.unshift(this.#replace(formerId, absentRecord));
    }
    for (const step of steps) this.#notify(step, loading !== undefined);
  }

  #replace(id: string, judged: StoredRecord, isShared = false): Step {
    const former = this.#table.stored(id);
    const kept = this.#table.set(id, judged, isShared);
    const before = former.kind === 'record' ? former.state : undefined;
    return { id, kept, before, wasLost: former.kind === 'lost' };
  }

  #notify({ id, kept, before, wasLost }: Step, isLoading: boolean): void {
    const { observers, onApplied } = this.#options;
    onApplied(id, kept, before);
    if (kept.kind !== 'record') {
      if (before) this.#notifyRemoved(id);
      if (kept.kind === 'deleted' && !isLoading)
        for (const observer of observers) observer.onDeleted?.(id, before);
      if (kept.kind === 'arriving' && !isLoading)
        for (const observer of observers) observer.onArriving?.(id, kept.state);
    } else if (!isLoading) {
      if (wasLost) for (const observer of observers) observer.onRestored?.(id, kept.state);
      for (const observer of observers) observer.onRecord?.(id, kept.state, before);
    }
  }

  #notifyRemoved(id: string): void {
    for (const observer of this.#options.observers) observer.onRemoved(id);
  }
}

/** A record that was taken into memory, and what it replaced. */
interface Step {
  id: string;
  kept: StoredRecord;
  before: NodeState | undefined;
  wasLost: boolean;
}

// A reader that was away during a rename may hear of the new id first. One key has one node, so the record under the former id
// is gone from the store.
const isReplacedBy = (
  { revision, state }: Extract<StoredRecord, { kind: 'record' }>,
  former: StoredRecord,
): boolean =>
  former.kind === 'record' &&
  former.revision < revision &&
  state.Muster?.PublicKey !== undefined &&
  former.state.Muster?.PublicKey === state.Muster.PublicKey;

// Returns whether memory has not had a change in a record yet, when it had `former`. The store keeps one revision of each
// record, so a record also brings the changes of revisions that were replaced before they came here. A record that another
// program copied still contains our changes and our operation. A backup contains changes that are older than those in memory.
function isNew({ Store, Revision }: RecordedChange, stored: StoredRecord, former: StoredRecord): boolean {
  if (operationOf(stored) !== undefined && operationOf(stored) === operationOf(former)) return false;
  if (Revision === stored.revision)
    return (
      !('state' in former) ||
      Store === undefined ||
      former.state.Muster?.Store !== Store ||
      Revision > former.revision
    );
  return Store !== undefined && Store === incarnationOf(stored) && Revision > former.revision;
}
