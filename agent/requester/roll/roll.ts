// The roll follows the node info store and is the only way to change a record in it.
import type { RegisterRequest } from '../../protocol/messages.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Random } from '../../system/random.ts';
import { BrokerError, type Bucket, type BucketEntry } from '../../transport/port.ts';
import type { Decision, DecisionRule } from './decisions.ts';
import { otherSession, type RequestOutcome, register, updateInfo } from './membership.ts';
import { NodeQueue } from './node-queue.ts';
import { ownRecord } from './own-record.ts';
import { type Records, RecordTable } from './record-table.ts';
import { changesOf, isNodeKey, readEntry, signed, write } from './store.ts';
import { operationOf, type StoredRecord, sessionOf } from './stored-record.ts';

export interface RollPolicy {
  manualApproval: boolean;
  /** How many nodes may be PENDING at most. */
  maxPending: number;
}

export interface RollOptions {
  bucket: Bucket;
  clock: Clock;
  random: Random;
  log: Log;
  /** Read anew at each registration, so that a reload takes effect. */
  policy: RollPolicy;
  announcer: ChangeAnnouncer;
  /** Called in this order. */
  observers: readonly RollObserver[];
  /** The store was lost and is empty: what it held beside the nodes has to be put back. */
  onStoreLost(): void;
}

/** Takes the changes of records that stand in the store and announces them to other systems. */
export interface ChangeAnnouncer {
  announceChange(id: string, change: RecordedChange): void;
  /** Returns the changes of `id` whose events the broker has not acknowledged: they are written into the record. */
  unacknowledgedChanges(id: string): RecordedChange[];
}

/** Is called when a record in memory changes, after the store has it and in the order of the store. */
export interface RollObserver {
  /** A node's record is new or changed; not called while the roll is loaded. `before` is the record that it replaces. */
  onRecord?(id: string, state: NodeState, before: NodeState | undefined): void;
  /** A node is no longer on the roll. */
  onRemoved(id: string): void;
}

/** Is called with each entry of the first pass, and with its changes whose events may not have been sent. */
export type OnLoaded = (id: string, stored: StoredRecord, changes: RecordedChange[]) => void;

export class Roll {
  readonly #options: RollOptions;
  readonly #table = new RecordTable();
  readonly #queue = new NodeQueue();
  /** Nodes whose registration is on its way to the store: they count against maxPending. */
  #arriving = 0;
  /** While a pass over the store runs: the ids that it has not brought yet. */
  #missing: Set<string> | undefined;
  #watch: { stop(): void } | undefined;

  constructor(options: RollOptions) {
    this.#options = options;
  }

  /** Every node's record as the store holds it. */
  get records(): Records {
    return this.#table;
  }

  /**
   * Reads the store and then follows it, so that another writer's changes and the loss of the store are noticed.
   * @throws BrokerError
   */
  async load(onLoaded: OnLoaded): Promise<void> {
    // Set to undefined afterwards: the callback may hold all that was announced before this start.
    let onFirst: OnLoaded | undefined = onLoaded;
    const watch = await this.#options.bucket.watch(
      entry => {
        if (!isNodeKey(entry.key)) return;
        this.#missing?.delete(entry.key);
        // Our own writes come back here, and a watch that begins again brings everything once more.
        if (this.#table.stored(entry.key).revision >= entry.revision) return;
        if (onFirst) this.#load(entry, onFirst);
        else this.#applyEntry(entry);
      },
      {
        begin: ({ lost }) => this.#beginPass(lost),
        complete: () => this.#completePass(),
      },
    );
    this.#watch = watch;
    await watch.ready;
    onFirst = undefined;
  }

  stop(): void {
    this.#watch?.stop();
  }

  /**
   * Registers a node and opens a session for it.
   * @throws BrokerError when the store does not answer.
   */
  async register(request: RegisterRequest): Promise<RequestOutcome & { session: string | undefined }> {
    const { clock, random, policy } = this.#options;
    const id = request.Info.NodeID;
    const session = request.Muster ? random.uuid() : undefined;
    let reserved = false;
    const rule = (stored: StoredRecord): RequestOutcome =>
      register(stored, request, {
        manualApproval: policy.manualApproval,
        roomForPending: reserved || this.#table.pending + this.#arriving < policy.maxPending,
        now: clock.now().toISOString(),
        session: session ?? '',
      });
    // These refusals need no store: a flood of unknown nodes must not cost the store a read each.
    const early = rule(this.#table.stored(id));
    if (early.code === 'full' || early.code === 'not_compute') return { ...early, session: undefined };
    try {
      const outcome = await this.#change(id, stored => {
        const result = rule(stored);
        if (result.code === 'registered' && result.write?.Membership === 'PENDING' && !reserved) {
          reserved = true;
          this.#arriving++;
        }
        return result;
      });
      return { ...outcome, session: outcome.write && session };
    } finally {
      if (reserved) this.#arriving--;
    }
  }

  /**
   * Takes a node's information that was sent under the session of its record. The store is asked only for new information.
   * @throws BrokerError when the store does not answer.
   */
  async updateInfo(info: NodeInfo): Promise<RequestOutcome> {
    const id = info.NodeID;
    const session = sessionOf(this.#table.stored(id));
    // A newer registration may be on its way to the store. Information of the older one must not replace it.
    const rule = (stored: StoredRecord) =>
      stored.kind === 'record' && sessionOf(stored) !== session
        ? otherSession(id)
        : updateInfo(stored, info, this.#options.clock.now().toISOString());
    const outcome = rule(this.#table.stored(id));
    return outcome.write ? this.#change(id, rule) : outcome;
  }

  /**
   * Carries out an operator's decision and returns the id of the node that `name` means.
   * @throws MusterError as `resolve` and the rule; BrokerError when the store does not answer.
   */
  async decide(name: string, decision: Decision, rule: DecisionRule): Promise<string> {
    const id = this.#table.resolve(name);
    await this.#change(id, stored => rule(stored, name, decision, this.#options.clock.now().toISOString()));
    return id;
  }

  /** Puts the requester itself on the roll. */
  async registerSelf(info: NodeInfo): Promise<void> {
    const now = () => this.#options.clock.now().toISOString();
    await this.#change(info.NodeID, stored => ownRecord(stored, info, now()) ?? {});
  }

  // Makes one change of a node at a time. The rule is given what the store holds, and is asked again when somebody else
  // wrote meanwhile.
  async #change<T extends { write?: NodeState | 'deleted'; change?: RecordedChange }>(
    id: string,
    rule: (stored: StoredRecord) => T,
  ): Promise<T> {
    const { bucket, random } = this.#options;
    const endTurn = await this.#queue.begin(id);
    try {
      const operation = random.uuid();
      for (let attempt = 1; attempt <= 8; attempt++) {
        const entry = await bucket.get(id);
        const stored: StoredRecord = entry ? this.#applyEntry(entry) : readEntry(undefined);
        const outcome = rule(stored);
        if (!outcome.write) return outcome;
        if (await this.#write(id, stored.revision, outcome.write, outcome.change, operation)) return outcome;
      }
      throw new BrokerError('timeout', `the record of node ${id} changes faster than it can be written`);
    } finally {
      endTurn();
    }
  }

  // Returns false when somebody else wrote first.
  async #write(
    id: string,
    replaces: number,
    state: NodeState | 'deleted',
    change: RecordedChange | undefined,
    operation: string,
  ): Promise<boolean> {
    const { bucket, announcer } = this.#options;
    const earlier = announcer.unacknowledgedChanges(id);
    const changes = change ? [...earlier, change] : earlier;
    const revision = await write(bucket, { id, state, changes, revision: replaces, operation });
    if (revision === undefined) return false;
    const written: StoredRecord =
      state === 'deleted'
        ? { kind: 'deleted', revision }
        : { kind: 'record', revision, state: signed(state, operation) };
    this.#apply(id, written, change && { ...change, Revision: revision });
    return true;
  }

  #load(entry: BucketEntry, onLoaded: OnLoaded): void {
    const stored = readEntry(entry);
    // The key is a slice of a longer text that it would keep in memory, so the record's own copy of the id is used.
    const id = stored.kind === 'record' ? stored.state.Info.NodeID : entry.key;
    onLoaded(id, stored, changesOf(entry, stored));
    this.#apply(id, stored, undefined, 'loading');
  }

  // Takes what the store holds of a node, as the watch or a read brings it. A write of ours whose answer was lost comes only
  // this way.
  #applyEntry(entry: BucketEntry): StoredRecord {
    const stored = readEntry(entry);
    const change = changesOf(entry, stored).find(each => each.Revision === entry.revision);
    // When another program writes a copy of our record, the copy still carries our change and our operation.
    const isCopy =
      operationOf(stored) !== undefined && operationOf(stored) === operationOf(this.#table.stored(entry.key));
    this.#apply(entry.key, stored, isCopy ? undefined : change);
    return stored;
  }

  // Each revision counts once, whichever comes first: the answer to the write, a read or the watch.
  #apply(id: string, stored: StoredRecord, change: RecordedChange | undefined, phase?: 'loading'): void {
    if (this.#table.stored(id).revision >= stored.revision) return;
    const { announcer, observers, log } = this.#options;
    const before = this.#table.get(id);
    this.#missing?.delete(id);
    const kept = this.#table.set(id, stored);
    if (kept.kind === 'unreadable') {
      log.error({ node: id }, 'the record of this node cannot be read; it is left alone');
    }
    if (kept.kind !== 'record') {
      if (before) this.#notifyRemoved(id);
    } else if (phase !== 'loading') {
      for (const observer of observers) observer.onRecord?.(id, kept.state, before);
    }
    if (change) announcer.announceChange(id, change);
  }

  #beginPass(lost: boolean): void {
    this.#missing = new Set(this.#table.ids());
    if (!lost || this.#missing.size === 0) return;
    this.#options.log.warn({}, 'the node info store was lost; nodes register again by themselves');
    for (const id of this.#missing) this.#remove(id);
    this.#options.onStoreLost();
  }

  #completePass(): void {
    for (const id of this.#missing ?? []) this.#remove(id);
    this.#missing = undefined;
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
