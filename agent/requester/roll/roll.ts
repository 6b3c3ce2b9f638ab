// The roll: every node's record in memory as the store holds it, and the one way to change it.
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { Random } from '../../system/random.ts';
import { BrokerError, type Bucket, type BucketEntry } from '../../transport/port.ts';
import { CommonParts } from './common-parts.ts';
import {
  type Decision,
  decide,
  type Known,
  notFound,
  otherSession,
  ownRecord,
  type Registration,
  register,
  remove,
  unknownNode,
  updateInfo,
  type Verdict,
} from './membership.ts';
import { changesOf, isNodeKey, readEntry, signed, write } from './store.ts';

export interface RollOptions {
  clock: Clock;
  random: Random;
  log: Log;
  manualApproval: boolean;
  /** At most so many nodes are PENDING. */
  maxPending: number;
}

/** Who wants to know what becomes of the roll. Called after the store has it, in the order of the store. */
export interface RollListener {
  /** A node's record is new or changed; `before` is what it was. */
  present(id: string, state: NodeState, before: NodeState | undefined): void;
  /** A node is no longer on the roll. */
  gone(id: string): void;
  /** A change of ours stands in the store under `change.Revision`; its event is due. */
  changed(id: string, change: RecordedChange): void;
  /** The store was lost and is empty: what was kept in it beside the nodes has to be put back. */
  lost(): void;
  /** The changes of `id` whose events are not acknowledged yet: they are kept in the record. */
  unannounced(id: string): RecordedChange[];
}

interface Write {
  state: NodeState | 'deleted';
  change?: RecordedChange | undefined;
}

export class Roll {
  readonly #bucket: Bucket;
  readonly #options: RollOptions;
  readonly #listener: RollListener;
  readonly #known = new Map<string, Known>();
  readonly #parts = new CommonParts();
  readonly #turns = new Map<string, Promise<unknown>>();
  #pending = 0;
  /** Nodes whose registration is on its way to the store: they count against maxPending. */
  #arriving = 0;
  #pass: Set<string> | undefined;
  #watch: { stop(): void } | undefined;
  #records = 0;
  #unreadable = 0;

  constructor(bucket: Bucket, options: RollOptions, listener: RollListener) {
    this.#bucket = bucket;
    this.#options = options;
    this.#listener = listener;
  }

  /**
   * Reads the store and follows it: another writer's changes, and a store that was lost, show here.
   * `entry` meets every entry of the first pass, with the changes whose events may not have been sent.
   * @throws BrokerError
   */
  async load(entry: (id: string, known: Known, changes: RecordedChange[]) => void): Promise<void> {
    // Let go of afterwards: it may hold all that was announced before this start.
    let first: typeof entry | undefined = entry;
    const watch = await this.#bucket.watch(
      item => {
        if (!isNodeKey(item.key)) return;
        this.#pass?.delete(item.key);
        if (!first) return void this.#meet(item);
        // A watch that had to begin again tells the same once more.
        if (this.known(item.key).revision >= item.revision) return;
        const known = readEntry(item);
        // The key is a part of a longer text that it would keep in memory; the record has one of its own.
        const id = known.kind === 'record' ? known.state.Info.NodeID : item.key;
        first(id, known, changesOf(item, known));
        this.#remember(id, known);
      },
      {
        begin: ({ lost }) => {
          this.#pass = new Set(this.#known.keys());
          if (!lost || this.#known.size === 0) return;
          this.#options.log.warn({}, 'the node info store was lost; nodes register again by themselves');
          for (const id of this.#pass) this.#forget(id);
          this.#listener.lost();
        },
        complete: () => {
          for (const id of this.#pass ?? []) this.#forget(id);
          this.#pass = undefined;
        },
      },
    );
    this.#watch = watch;
    await watch.ready;
    first = undefined;
  }

  stop(): void {
    this.#watch?.stop();
  }

  get(id: string): NodeState | undefined {
    const known = this.#known.get(id);
    return known?.kind === 'record' ? known.state : undefined;
  }

  /** What memory knows of `id`; the store may know better only while the broker is away. */
  known(id: string): Known {
    return this.#known.get(id) ?? { kind: 'absent', revision: 0 };
  }

  *list(): Generator<NodeState> {
    for (const known of this.#known.values()) if (known.kind === 'record') yield known.state;
  }

  /** Nodes on the roll. */
  get size(): number {
    return this.#records;
  }

  get unreadable(): number {
    return this.#unreadable;
  }

  get pending(): number {
    return this.#pending;
  }

  /**
   * The id that an operator means: exact first, else a unique prefix. A record that cannot be read counts.
   * @throws MusterError `not_found` or `ambiguous`, which lists the matches.
   */
  resolve(name: string): string {
    const exact = this.#known.get(name);
    if (exact && exact.kind !== 'deleted') return name;
    // Who names a node that was deleted means that one: the same command given twice must not meet another.
    if (exact) throw notFound(name);
    const matches = [...this.#known]
      .filter(([id, known]) => known.kind !== 'deleted' && name !== '' && id.startsWith(name))
      .map(([id]) => id)
      .sort();
    const [only, ...more] = matches;
    if (only === undefined) throw notFound(name);
    if (more.length === 0) return only;
    const shown = matches.length > 3 ? [...matches.slice(0, 3), '...'] : matches;
    throw new MusterError(
      'ambiguous',
      `multiple nodes found for prefix: ${name}, matching IDs: [${shown.join(' ')}]`,
      {
        hint: 'Use a more specific node ID prefix',
      },
    );
  }

  /** Registers a node, opening a session. Throws BrokerError when the store does not answer. */
  async register(asked: Registration): Promise<Verdict & { session: string | undefined }> {
    const id = asked.info.NodeID;
    const session = asked.sender ? this.#options.random.uuid() : undefined;
    let reserved = false;
    const rule = (known: Known): Verdict =>
      register(known, asked, {
        manualApproval: this.#options.manualApproval,
        roomForPending: reserved || this.#pending + this.#arriving < this.#options.maxPending,
        now: this.#now(),
        session: session ?? '',
      });
    // A flood of strangers is refused from memory: it must not cost the store a read each.
    const early = rule(this.known(id));
    if (early.code === 'full' || early.code === 'not_compute') return { ...early, session: undefined };
    try {
      const verdict = await this.#change(id, known => {
        const result = rule(known);
        if (result.code === 'registered' && result.write?.Membership === 'PENDING' && !reserved) {
          reserved = true;
          this.#arriving++;
        }
        return result;
      });
      return { ...verdict, session: verdict.write && session };
    } finally {
      if (reserved) this.#arriving--;
    }
  }

  /** A node's information, under the session of its record. Throws BrokerError when the store does not answer. */
  async updateInfo(info: NodeInfo): Promise<Verdict> {
    const session = sessionOf(this.known(info.NodeID));
    // A newer registration may be on its way to the store: what the older one says must not replace what that said.
    const rule = (known: Known) =>
      known.kind === 'record' && sessionOf(known) !== session
        ? otherSession(info.NodeID)
        : updateInfo(known, info, this.#now());
    const verdict = rule(this.known(info.NodeID));
    return verdict.write ? this.#change(info.NodeID, rule) : verdict;
  }

  unknownNode(id: string): Verdict {
    return unknownNode(this.known(id), id);
  }

  /**
   * Carries out an operator's decision, and answers the id of the node that was meant.
   * @throws MusterError by the rules; BrokerError when the store does not answer.
   */
  async decide(name: string, decision: Decision): Promise<string> {
    const id = this.resolve(name);
    await this.#change(id, known => decide(known, name, decision, this.#now()));
    return id;
  }

  /** Deletes a node, leaving the purge marker. Answers and throws as `decide`. */
  async remove(name: string, reason: string, actor: string): Promise<string> {
    const id = this.resolve(name);
    await this.#change(id, known => ({
      write: 'deleted' as const,
      change: remove(known, name, reason, actor, this.#now()),
    }));
    return id;
  }

  /** Puts the requester itself on the roll. */
  async enrolSelf(info: NodeInfo): Promise<void> {
    await this.#change(info.NodeID, known => ownRecord(known, info, this.#now()) ?? {});
  }

  #now(): string {
    return this.#options.clock.now().toISOString();
  }

  // One change of a node at a time; each rule sees what the store holds, and is asked again when that has changed.
  async #change<T extends { write?: NodeState | 'deleted'; change?: RecordedChange }>(
    id: string,
    rule: (known: Known) => T,
  ): Promise<T> {
    return this.#inTurn(id, async () => {
      const operation = this.#options.random.uuid();
      for (let attempt = 1; ; attempt++) {
        const entry = await this.#bucket.get(id);
        const known: Known = entry ? this.#meet(entry) : { kind: 'absent', revision: 0 };
        const outcome = rule(known);
        if (!outcome.write) return outcome;
        const revision = await this.#attempt(
          id,
          known,
          { state: outcome.write, change: outcome.change },
          operation,
        );
        if (revision !== undefined) return outcome;
        if (attempt >= 8) {
          throw new BrokerError('timeout', `the record of node ${id} changes faster than it can be written`);
        }
      }
    });
  }

  async #attempt(
    id: string,
    known: Known,
    { state, change }: Write,
    operation: string,
  ): Promise<number | undefined> {
    const earlier = this.#listener.unannounced(id);
    const changes = change ? [...earlier, change] : earlier;
    const revision = await write(this.#bucket, { id, state, changes, revision: known.revision, operation });
    if (revision === undefined) return undefined;
    const written: Known =
      state === 'deleted'
        ? { kind: 'deleted', revision }
        : { kind: 'record', revision, state: signed(state, operation) };
    this.#learn(id, written, change && { ...change, Revision: revision });
    return revision;
  }

  async #inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(id);
    const turn = (before ?? Promise.resolve()).then(work, work);
    this.#turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    }
  }

  // What the store holds of a node, as the watch or a read brings it: our own writes come this way too, and those
  // whose answer was lost only this way.
  #meet(entry: BucketEntry): Known {
    const known = readEntry(entry);
    const change = changesOf(entry, known).find(each => each.Revision === entry.revision);
    // Somebody else's copy of our record still carries the change that we made, and its operation.
    const isCopy =
      operationOf(known) !== undefined && operationOf(known) === operationOf(this.known(entry.key));
    this.#learn(entry.key, known, isCopy ? undefined : change);
    return known;
  }

  // Each revision counts once, whoever brings it first: the answer to the write, a read or the watch.
  #learn(id: string, known: Known, change: RecordedChange | undefined): void {
    if (this.known(id).revision >= known.revision) return;
    this.#remember(id, known);
    if (change) this.#listener.changed(id, change);
  }

  #remember(id: string, news: Known): void {
    const known = news.kind === 'record' ? { ...news, state: this.#parts.share(news.state) } : news;
    const before = this.#known.get(id);
    this.#pass?.delete(id);
    this.#count(before, -1);
    this.#count(known, 1);
    this.#known.set(id, known);
    if (known.kind === 'unreadable') {
      this.#options.log.error({ node: id }, 'the record of this node cannot be read; it is left alone');
    }
    const earlier = before?.kind === 'record' ? before.state : undefined;
    if (known.kind === 'record') this.#listener.present(id, known.state, earlier);
    else if (earlier) this.#listener.gone(id);
  }

  #forget(id: string): void {
    const before = this.#known.get(id);
    this.#count(before, -1);
    this.#known.delete(id);
    if (before?.kind === 'record') this.#listener.gone(id);
  }

  #count(known: Known | undefined, by: 1 | -1): void {
    if (known?.kind === 'record') this.#records += by;
    if (known?.kind === 'record' && known.state.Membership === 'PENDING') this.#pending += by;
    if (known?.kind === 'unreadable') this.#unreadable += by;
  }
}

const sessionOf = (known: Known): string | undefined =>
  known.kind === 'record' ? known.state.Muster?.Session : undefined;
const operationOf = (known: Known): string | undefined =>
  known.kind === 'record' ? known.state.Muster?.Operation : undefined;
