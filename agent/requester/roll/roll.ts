// The roll follows the node info store, and makes all changes of its records.
import type { RegisterRequest } from '../../protocol/messages.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Random } from '../../system/random.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import { BrokerError, type Bucket, type BucketEntry } from '../../transport/port.ts';
import { Admission, type Place, type RollPolicy } from './admission.ts';
import { type Decision, type DecisionRule, notLost } from './decisions.ts';
import { ExpiredMarkers } from './expired-markers.ts';
import { type HeldUpdate, HeldUpdates } from './held-updates.ts';
import {
  giveWay,
  noRoom,
  notComparedYet,
  otherSession,
  type RequestOutcome,
  register,
  tooOften,
  unknownNode,
  updateInfo,
} from './membership.ts';
import { NodeQueue } from './node-queue.ts';
import { ownRecord } from './own-record.ts';
import { rebuiltRecord } from './rebuilt-record.ts';
import { type Records, RecordTable } from './record-table.ts';
import {
  changesOf,
  isNodeKey,
  laterChangesOf,
  markerRecord,
  readEntry,
  signed,
  type WriteMark,
  type WriteRequest,
  write,
} from './store.ts';
import { StoreComparison } from './store-comparison.ts';
import { type AnnouncedMembership, operationOf, type StoredRecord, sessionOf } from './stored-record.ts';
import { UnreadableLog } from './unreadable-log.ts';
import type { WaitingList } from './waiting-list.ts';

/** Each node may have its information stored five times at once, and then every 10 s. Decisions are not limited. */
export const storedUpdateLimits = { burst: 5, refillMs: 10_000 };

export interface RollOptions {
  bucket: Bucket;
  life: StoreLife;
  clock: Clock;
  random: Random;
  log: Log;
  /** The policy. It is read at each registration, so that a reload takes effect. */
  policy: RollPolicy;
  /** The PENDING nodes. The caller passes it as an observer too. */
  waiting: WaitingList;
  /** The id of the requester, which the event of a node that gives way names. */
  requesterId: string;
  announcer: ChangeAnnouncer;
  /** The observers, which are called in this order. */
  observers: readonly RollObserver[];
  /** Called when the store was lost and is empty. The caller then restores the data that is not about nodes. */
  onStoreLost(): void;
  /** Returns what was announced last of each node. @throws BrokerError */
  readAnnounced(): Promise<ReadonlyMap<string, AnnouncedMembership>>;
  /** Repeats `work` until the broker carries it out, or the requester stops. */
  persist(work: () => Promise<void>): Promise<void>;
  /** Called when the number of lost records has changed. */
  onLossesChange?(): void;
}

/** Knows which life of the store it is, because revisions begin anew in a store that was lost. */
export interface StoreLife {
  /** Returns the incarnation that a write belongs to. @throws BrokerError */
  find(): Promise<string>;
  /** Notes that the store may have begun anew, or that it certainly has. */
  doubt(doubt: { lost: boolean }): void;
  /** Notes a revision of the store. */
  onRevision(revision: number): void;
}

/** Announces changes that are in the store to other systems. */
export interface ChangeAnnouncer {
  announceChange(id: string, change: RecordedChange): void;
  /** Returns the changes of `id` whose events the broker has not acknowledged. They are written into the record. */
  unacknowledgedChanges(id: string): RecordedChange[];
}

/** Observes the records in memory. It is called after the store has the change, and in the order of the store. */
export interface RollObserver {
  /**
   * Called when a node's record is new or changed, but not while the roll is loaded. `before` is the record that it
   * replaces.
   */
  onRecord?(id: string, state: NodeState, before: NodeState | undefined): void;
  /** Called when a node is no longer on the roll. */
  onRemoved(id: string): void;
}

/** Called with each entry of the first pass, and with those of its changes that may not have been announced. */
export type OnLoaded = (id: string, stored: StoredRecord, changes: RecordedChange[]) => void;

/** What takes the place of a record. */
type Write = WriteRequest['state'];

export class Roll {
  readonly #options: RollOptions;
  readonly #table = new RecordTable();
  readonly #queue = new NodeQueue();
  /** Limits the writes that each node can cause. */
  readonly #updates: TokenBuckets;
  readonly #held: HeldUpdates;
  readonly #admission: Admission;
  readonly #markers: ExpiredMarkers;
  /** During a pass over the store, the ids that have not come yet; otherwise undefined. */
  #missing: Set<string> | undefined;
  /** During a pass over a store that was lost, what memory had before; otherwise undefined. */
  #lost: Map<string, StoredRecord> | undefined;
  /** During a pass, the ids for which the store has an older revision than memory. */
  readonly #older = new Set<string>();
  /** Number of keys that the last pass found and that are no node ids. */
  #otherKeys = 0;
  /** Whether a pass over the store was asked for, and has not ended. */
  #isReadingAgain = false;
  readonly #comparison: StoreComparison;
  readonly #unreadable: UnreadableLog;
  #watch: { stop(): void; restart(): void } | undefined;

  constructor(options: RollOptions) {
    this.#options = options;
    const { clock } = options;
    this.#updates = new TokenBuckets(storedUpdateLimits, () => clock.monotonic());
    this.#held = new HeldUpdates({
      clock,
      untilTurnMs: id => this.#updates.untilTokenMs(id),
      takeTurn: id => this.#updates.take(id),
      store: id => this.#storeHeld(id),
    });
    this.#admission = new Admission({ ...options, pending: () => this.#table.pending });
    const { life, policy } = options;
    this.#unreadable = new UnreadableLog(options);
    this.#comparison = new StoreComparison({
      ...options,
      readContext: async () => ({ incarnation: await life.find(), manualApproval: policy.manualApproval }),
      onChange: () => options.onLossesChange?.(),
    });
    this.#markers = new ExpiredMarkers({
      clock,
      remove: (id, revision) => this.#removeMarker(id, revision),
    });
  }

  /** The records of all nodes, as the store has them. */
  get records(): Records {
    return this.#table;
  }

  /** The nodes whose records the store lost, with what was announced of each. */
  get lost(): ReadonlyMap<string, AnnouncedMembership> {
    return this.#comparison.lost;
  }

  /** Number of keys of the store that are known: records, deletion markers and keys of other programs. */
  get knownKeys(): number {
    return this.#table.written + this.#otherKeys;
  }

  /** Refuses a node that is not on the roll. */
  refuseUnknown(id: string): RequestOutcome {
    // While the store is compared with the events, nobody knows whether the node has to register.
    return this.#comparison.isDue ? notComparedYet : unknownNode(this.#table.stored(id), id);
  }

  /**
   * Reads the store and then follows it, to see the changes of other writers and the loss of the store. @throws
   * BrokerError
   */
  async load(onLoaded: OnLoaded): Promise<void> {
    // It is set to undefined after the first pass, because the callback may hold the whole event history.
    let onFirst: OnLoaded | undefined = onLoaded;
    await this.#comparison.start();
    const watch = await this.#options.bucket.watch(
      entry => {
        if (!isNodeKey(entry.key)) {
          if (this.#missing) this.#otherKeys++;
          return;
        }
        this.#missing?.delete(entry.key);
        // Our own writes come back here, and a watch that starts again sends every entry again.
        const { revision } = this.#table.stored(entry.key);
        if (revision > entry.revision) this.#older.add(entry.key);
        if (revision >= entry.revision) return;
        if (onFirst) this.#load(entry, onFirst);
        else this.#applyEntry(entry, this.#lost?.get(entry.key) ?? this.#table.stored(entry.key));
      },
      {
        begin: ({ lost }) => this.#beginPass(lost),
        complete: () => this.#completePass(),
      },
    );
    this.#watch = watch;
    await watch.ready;
    onFirst = undefined;
    await this.#comparison.run(
      id => this.#table.stored(id),
      (id, lost) => this.#replace(id, lost),
    );
  }

  /** Reads the store again from its beginning, because it seems to have lost records. */
  readAgain(): void {
    if (this.#isReadingAgain) return;
    this.#isReadingAgain = true;
    this.#watch?.restart();
  }

  /** Ends the watch of the store, and the timers. */
  stop(): void {
    this.#watch?.stop();
    this.#held.stop();
    this.#markers.stop();
  }

  /** Stores the information that was accepted and still waits for its turn. Never rejects. */
  async storeHeld(): Promise<void> {
    await this.#held.storeAll();
  }

  /**
   * Registers a node and opens a session for it. A node on the roll that registers again too often is refused for now.
   * @throws BrokerError when the store does not answer.
   */
  async register(request: RegisterRequest): Promise<RequestOutcome & { session: string | undefined }> {
    const { clock, random, policy } = this.#options;
    const id = request.Info.NodeID;
    const session = request.Muster ? random.uuid() : undefined;
    let place: Place | undefined;
    let paid = false;
    let isTooOften = false;
    const rule = (stored: StoredRecord): RequestOutcome => {
      const now = clock.now().toISOString();
      const outcome = register(stored, request, { ...policy, now, session: session ?? '' });
      if (!outcome.write) return outcome;
      if (outcome.code === 'registered') {
        place ??= this.#admission.reserve();
        return place ? outcome : noRoom(policy.manualApproval);
      }
      paid ||= this.#updates.take(id);
      if (paid) return outcome;
      isTooOften = true;
      return this.#withoutWrite(stored, request, outcome);
    };
    let isTaken = false;
    try {
      // These refusals need no read of the store, so that a flood costs the store nothing.
      const early = rule(this.#table.stored(id));
      if (early.code === 'full') {
        place = await this.#admission.reserveFromOthers(other => this.#giveWay(other));
        if (!place) return { ...early, session: undefined };
      }
      const isLost = this.#table.stored(id).kind === 'lost';
      if (isTooOften || isLost || early.code === 'not_compute') return { ...early, session: undefined };
      const outcome = await this.#change(id, rule);
      isTaken = outcome.code === 'registered';
      return { ...outcome, session: outcome.write && session };
    } finally {
      place?.release(isTaken);
    }
  }

  /**
   * Applies node information that was sent under the session of the node's record. The store is asked only when the
   * information is new. Information that changes too often is accepted and stored later. @throws BrokerError when the
   * store does not answer.
   */
  async updateInfo(info: NodeInfo): Promise<RequestOutcome> {
    const id = info.NodeID;
    const session = sessionOf(this.#table.stored(id));
    // A newer registration may be on its way to the store. Information from the older session must not replace it.
    const rule = (stored: StoredRecord) => this.#updateRule(stored, { info, session });
    const outcome = rule(this.#table.stored(id));
    if (!outcome.accepted) return outcome;
    const isBusy = this.#queue.isBusy(id);
    if (outcome.write ? this.#updates.take(id) : !isBusy) {
      this.#held.drop(id);
      return outcome.write ? this.#change(id, rule) : outcome;
    }
    this.#held.hold(id, { info, session });
    return { accepted: true, code: outcome.code, reason: outcome.reason };
  }

  /**
   * Carries out an operator's decision and returns the id of the node that `name` means. An exact decision takes a whole id.
   * @throws MusterError as `resolve`, `resolveExact` and the rule; BrokerError when the store does not answer.
   */
  async decide(name: string, decision: Decision, rule: DecisionRule): Promise<string> {
    const id = decision.isExact ? this.#table.resolveExact(name) : this.#table.resolve(name);
    await this.#change(id, stored => rule(stored, name, decision, this.#options.clock.now().toISOString()));
    return id;
  }

  /**
   * Writes the record of a lost node again, as it was announced. No event tells of it, because nothing changed for those
   * who listen. @throws MusterError `not_found` when the record is not lost; BrokerError when the store does not answer.
   */
  async rebuild(id: string): Promise<void> {
    await this.#change(id, () => {
      const announced = this.#comparison.lost.get(id);
      if (!announced) throw notLost(id);
      return { write: rebuiltRecord(id, announced) };
    });
  }

  /** Puts the requester itself on the roll. */
  async registerSelf(info: NodeInfo): Promise<void> {
    const now = () => this.#options.clock.now().toISOString();
    await this.#change(info.NodeID, stored => ownRecord(stored, info, now()) ?? {});
  }

  // Answers a registration that is not stored, because the node registered too often. A Bacalhau node has no session that
  // would have to be stored, so it is answered as usual. Some of its versions never ask again after a refusal.
  #withoutWrite(
    stored: StoredRecord,
    { Info, Muster }: RegisterRequest,
    { accepted, code, reason }: RequestOutcome,
  ): RequestOutcome {
    const id = Info.NodeID;
    if (Muster || sessionOf(stored) !== undefined) return tooOften(id, this.#updates.untilTokenMs(id));
    if (accepted) this.#held.hold(id, { info: Info, session: undefined });
    return { accepted, code, reason };
  }

  #updateRule(stored: StoredRecord, { info, session }: HeldUpdate): RequestOutcome {
    return stored.kind === 'record' && sessionOf(stored) !== session
      ? otherSession(info.NodeID)
      : updateInfo(stored, info, this.#options.clock.now().toISOString());
  }

  // Removes a PENDING node from the roll. Returns false when it was heard or approved since it was chosen.
  async #giveWay(id: string): Promise<boolean> {
    const { waiting, requesterId, clock } = this.#options;
    const outcome = await this.#change(id, stored =>
      waiting.isTaken(id) ? giveWay(stored, requesterId, clock.now().toISOString()) : {},
    );
    return outcome.write !== undefined;
  }

  async #removeMarker(id: string, revision: number): Promise<boolean> {
    const { bucket, announcer } = this.#options;
    const endTurn = await this.#queue.begin(id);
    try {
      const isNewest = () => this.#table.stored(id).revision === revision;
      if (isNewest() && announcer.unacknowledgedChanges(id).length > 0) return false;
      await bucket.remove(id, revision);
      if (isNewest()) this.#table.delete(id);
      return true;
    } finally {
      endTurn();
    }
  }

  // Stores what is held of a node, if it is still the newest that is known of the node, and drops it.
  async #storeHeld(id: string): Promise<void> {
    let update: HeldUpdate | undefined;
    await this.#change(id, (stored): Partial<RequestOutcome> => {
      update = this.#held.get(id);
      return update ? this.#updateRule(stored, update) : {};
    });
    if (update) this.#held.drop(id, update);
  }

  // Makes the changes of one node one after the other. The rule gets the record in the store, and is called again when
  // somebody else wrote in the meantime.
  async #change<T extends { write?: Write; change?: RecordedChange }>(
    id: string,
    rule: (stored: StoredRecord) => T,
  ): Promise<T> {
    const { bucket, random, life } = this.#options;
    const endTurn = await this.#queue.begin(id);
    try {
      const operation = random.uuid();
      for (let attempt = 1; attempt <= 8; attempt++) {
        const entry = await bucket.get(id);
        const former = this.#table.stored(id);
        // A store gives no smaller revision than before, unless it was lost or purged.
        if ((entry?.revision ?? 0) < former.revision) {
          life.doubt({ lost: false });
          this.#comparison.require();
          this.readAgain();
        }
        if (this.#comparison.isDue) {
          await this.#comparison.ended();
          continue;
        }
        const found: StoredRecord = entry ? this.#applyEntry(entry, former) : readEntry(undefined);
        const stored = this.#comparison.judge(id, found);
        const outcome = rule(stored);
        if (!outcome.write) return outcome;
        const { write: state, change } = outcome;
        const changes = entry ? laterChangesOf(entry, stored) : [];
        const request = { id, state, changes, revision: stored.revision, operation };
        if (await this.#write(request, change)) return outcome;
      }
      throw new BrokerError('timeout', `the record of node ${id} changes faster than it can be written`);
    } finally {
      endTurn();
    }
  }

  // Writes a change. `request` contains the changes of a later version only. Returns false when somebody else wrote first.
  async #write(
    request: Omit<WriteRequest, 'incarnation'>,
    change: RecordedChange | undefined,
  ): Promise<boolean> {
    const { bucket, announcer, life } = this.#options;
    const { id, state, operation } = request;
    const mark: WriteMark = { operation, incarnation: await life.find() };
    const own = change && { ...change, Store: mark.incarnation };
    const changes = [...request.changes, ...announcer.unacknowledgedChanges(id), ...(own ? [own] : [])];
    const revision = await write(bucket, { ...request, ...mark, changes });
    if (revision === undefined) return false;
    const written: StoredRecord =
      typeof state === 'string'
        ? markerRecord(revision, changes)
        : { kind: 'record', revision, state: signed(state, mark) };
    this.#apply(id, written, own && { ...own, Revision: revision });
    return true;
  }

  #load(entry: BucketEntry, onLoaded: OnLoaded): void {
    const stored = readEntry(entry);
    // The key is a part of a longer text and would keep that text in memory. So the id is taken from the record.
    const id = stored.kind === 'record' ? stored.state.Info.NodeID : entry.key;
    // The changes of an older record that came back were announced long ago.
    const isOlder = this.#comparison.judge(id, stored) !== stored;
    if (!isOlder) onLoaded(id, stored, changesOf(entry, stored));
    this.#apply(id, stored, undefined, 'loading');
  }

  // Applies an entry of the store that came from the watch or from a read. A write whose answer was lost is seen only here.
  // `former` is what memory had under this id, also when it was removed because the store was lost.
  #applyEntry(entry: BucketEntry, former: StoredRecord): StoredRecord {
    const stored = readEntry(entry);
    const change = changesOf(entry, stored).find(each => each.Revision === entry.revision);
    this.#apply(entry.key, stored, change && isAnnounced(stored, change, former) ? undefined : change);
    return stored;
  }

  // Applies a record, unless its revision is already in memory. The revision may come from a write, a read or the watch.
  #apply(id: string, stored: StoredRecord, change: RecordedChange | undefined, phase?: 'loading'): void {
    if (this.#table.stored(id).revision >= stored.revision) return;
    const { announcer, observers, life } = this.#options;
    life.onRevision(stored.revision);
    const before = this.#table.get(id);
    this.#missing?.delete(id);
    const judged = this.#comparison.judge(id, stored);
    const kept = this.#table.set(id, judged);
    const registeredAt = kept.kind === 'record' ? kept.state.Muster?.RegisteredAt : undefined;
    if (kept.kind !== 'record' || registeredAt !== before?.Muster?.RegisteredAt) this.#held.drop(id);
    if (kept.kind === 'unreadable') this.#unreadable.add(id);
    if (stored.kind === 'absent' && judged === stored) this.#markers.add(id, stored.revision);
    if (kept.kind !== 'record') {
      if (before) this.#notifyRemoved(id);
    } else if (phase !== 'loading') {
      for (const observer of observers) observer.onRecord?.(id, kept.state, before);
    }
    if (change && judged === stored) announcer.announceChange(id, change);
  }

  #beginPass(lost: boolean): void {
    this.#older.clear();
    this.#otherKeys = 0;
    this.#unreadable.beginReading();
    // The older records of lost nodes may be gone too.
    for (const id of this.#comparison.lost.keys()) this.#table.forgetRevision(id);
    this.#missing = new Set(this.#table.ids());
    if (!lost) return;
    this.#options.life.doubt({ lost });
    this.#comparison.require();
    if (this.#missing.size === 0) return;
    const text = 'the node info store was lost; nodes that no operator decided about register again';
    this.#options.log.warn({}, text);
    this.#lost = new Map();
    for (const id of this.#missing) {
      this.#lost.set(id, this.#table.stored(id));
      this.#remove(id);
    }
    this.#options.onStoreLost();
  }

  #completePass(): void {
    this.#isReadingAgain = false;
    this.#unreadable.endReading();
    const isShort = (this.#missing?.size ?? 0) > 0 || this.#older.size > 0;
    if (isShort) this.#comparison.require();
    for (const id of this.#missing ?? []) this.#remove(id);
    this.#missing = undefined;
    this.#lost = undefined;
    if (this.#comparison.isDue) void this.#compare([...this.#older]);
  }

  // Compares the store with what was announced. `older` are ids for which the store has an older revision than memory.
  async #compare(older: readonly string[]): Promise<void> {
    const { bucket, persist, log } = this.#options;
    const work = async () => {
      for (const id of older) {
        const entry = await bucket.get(id);
        if ((entry?.revision ?? 0) >= this.#table.stored(id).revision) continue;
        this.#remove(id);
        if (entry) this.#apply(id, readEntry(entry), undefined);
      }
      await this.#comparison.run(
        id => this.#table.stored(id),
        (id, lost) => this.#replace(id, lost),
      );
    };
    await persist(work).catch(error =>
      log.error({ err: error }, 'the store cannot be compared with its events'),
    );
  }

  #replace(id: string, stored: StoredRecord): void {
    const before = this.#table.get(id);
    this.#table.set(id, stored);
    if (before) this.#notifyRemoved(id);
  }

  #remove(id: string): void {
    const wasOnRoll = this.#table.get(id) !== undefined;
    this.#table.delete(id);
    if (wasOnRoll) this.#notifyRemoved(id);
  }

  #notifyRemoved(id: string): void {
    for (const observer of this.#options.observers) observer.onRemoved(id);
  }
}

// Returns whether the newest change of a record was announced when memory had `former`. A record that another program copied
// still contains our change and our operation. A backup contains changes that are older than those in memory.
function isAnnounced(stored: StoredRecord, change: RecordedChange, former: StoredRecord): boolean {
  if (operationOf(stored) !== undefined && operationOf(stored) === operationOf(former)) return true;
  if (former.kind !== 'record' || change.Store === undefined) return false;
  return former.state.Muster?.Store === change.Store && change.Revision <= former.revision;
}
