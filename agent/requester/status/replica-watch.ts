// The replica watch asks a cluster of NATS servers every few seconds which of them store the roll, and how far each is. On a
// single server it does nothing.
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, StreamReplicas } from '../../transport/port.ts';
import { quorumFault, type ReplicaSources } from './store-replicas.ts';

/** Time between two questions, in milliseconds. */
const intervalMs = 5_000;
/** Silence after which a server counts as unheard, in milliseconds. The leader of a stream hears of the others each second. */
const unheardAfterMs = 5_000;

export interface ReplicaWatchOptions {
  connection: Pick<Connection, 'state' | 'onState' | 'storage'>;
  /** The names of the streams. */
  streams: readonly string[];
  clock: Clock;
  log: Log;
  /** Whether the streams may be away for a moment, because they move to other servers. */
  isFrozen?(): boolean;
  /** Called when something that the status shows may have changed. */
  onChange(): void;
  /** Called with what the cluster said of each stream. */
  onFound?(found: readonly StreamReplicas[]): void;
}

export class ReplicaWatch implements ReplicaSources {
  readonly #options: ReplicaWatchOptions;
  #replicas: readonly StreamReplicas[] = [];
  #behind: ReadonlyMap<string, readonly string[]> = new Map();
  /** The servers of each stream that were not current when the cluster answered last. */
  readonly #notCurrent = new Map<string, readonly string[]>();
  #missing: readonly string[] = [];
  /** The streams that the cluster has had since this start. */
  readonly #known = new Set<string>();
  /** Why nothing could be written when the cluster was asked last, and the reason that is in the log. */
  #lastFault: string | undefined;
  #loggedFault: string | undefined;
  #timer: Timer | undefined;
  #asking: Promise<void> | undefined;
  #isStopped = false;
  /** When all streams had a leader last. */
  #wholeAt: Date | undefined;
  readonly #listening: { unsubscribe(): void };

  /** Begins as soon as there is a connection to a cluster. */
  constructor(options: ReplicaWatchOptions) {
    this.#options = options;
    this.#listening = options.connection.onState(() => this.#onState());
    this.#onState();
  }

  stop(): void {
    this.#isStopped = true;
    this.#listening.unsubscribe();
    this.#timer?.cancel();
  }

  /** What the cluster said last of each stream; empty on a single server, and when it did not answer. */
  get replicas(): readonly StreamReplicas[] {
    return this.#replicas;
  }

  /**
   * The servers of each stream that were not current in two answers in a row: one that is behind for a moment is none. A cluster
   * whose server is in trouble may not answer between the two.
   */
  get behind(): ReadonlyMap<string, readonly string[]> {
    return this.#behind;
  }

  /** The streams that the cluster had and does not find any more. */
  get missing(): readonly string[] {
    return this.#missing;
  }

  /** The names of the servers that the leader of a stream has not heard of for some seconds. */
  get unheard(): readonly string[] {
    const led = this.#replicas.filter(({ leader }) => leader !== undefined);
    const silent = led.flatMap(({ others }) => others.filter(({ silentMs }) => silentMs >= unheardAfterMs));
    return [...new Set(silent.map(({ name }) => name))];
  }

  /** Why nothing can be written to a stream, and of when the roll is; undefined when all is well, and on a single server. */
  get quorumFault(): string | undefined {
    const fault = this.#replicas.map(quorumFault).find(each => each !== undefined);
    if (fault === undefined) return undefined;
    return this.#wholeAt ? `${fault}; what is shown is as of ${this.#wholeAt.toISOString()}` : fault;
  }

  /** The same when the cluster said so twice in a row, and has not said since that all is well: no mere change of the leader. */
  get lastingFault(): string | undefined {
    return this.#loggedFault;
  }

  /** Returns why nothing can be written to a stream, as far as the cluster has said; undefined when it can be. */
  faultOf(stream: string): string | undefined {
    const found = this.#replicas.find(each => each.stream === stream);
    return found && quorumFault(found);
  }

  /** Asks the cluster now; does nothing on a single server. Never rejects. */
  ask(): Promise<void> {
    const { state } = this.#options.connection;
    if (state.kind !== 'connected' || !state.isClustered) return Promise.resolve();
    this.#asking ??= this.#read().finally(() => {
      this.#asking = undefined;
      this.#plan();
    });
    return this.#asking;
  }

  #onState(): void {
    const { state } = this.#options.connection;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (state.kind === 'connected' && state.isClustered) return void this.ask();
    this.#missing = [];
    this.#notCurrent.clear();
    this.#take([]);
  }

  #plan(): void {
    this.#timer?.cancel();
    if (!this.#isStopped) this.#timer = this.#options.clock.after(intervalMs, () => void this.ask());
  }

  async #read(): Promise<void> {
    const { connection, streams, isFrozen } = this.#options;
    if (isFrozen?.()) return;
    // A cluster that does not answer, as while it chooses a leader, has not said that it has none.
    const read = async (stream: string) => await (await connection.storage()).replicas(stream);
    const answers = await Promise.all(streams.map(stream => read(stream).catch(() => 'unknown' as const)));
    if (isFrozen?.()) return;
    const found = answers.filter(each => each !== undefined && each !== 'unknown');
    for (const { stream } of found) this.#known.add(stream);
    this.#missing = streams.filter((stream, at) => answers[at] === undefined && this.#known.has(stream));
    this.#take(found);
    this.#options.onFound?.(found);
  }

  #take(replicas: readonly StreamReplicas[]): void {
    const behind = new Map<string, readonly string[]>();
    for (const each of replicas) {
      const names = notCurrent(each);
      const before = this.#notCurrent.get(each.stream) ?? [];
      this.#notCurrent.set(each.stream, names);
      const twice = names.filter(name => before.includes(name));
      if (twice.length > 0) behind.set(each.stream, twice);
    }
    const shown = [this.#replicas, this.#behind];
    this.#replicas = replicas;
    if (replicas.length > 0 && !replicas.some(quorumFault)) this.#wholeAt = this.#options.clock.now();
    this.#behind = behind;
    this.#logQuorum();
    if (!isDeepStrictEqual(shown, [replicas, this.#behind]) || this.#missing.length > 0)
      this.#options.onChange();
  }

  // A cluster that does not answer, or no connection, says nothing new of the quorum. A stream that was just made has no
  // leader for a moment, so only what was so twice in a row is logged.
  #logQuorum(): void {
    if (this.#replicas.length === 0) return;
    const fault = this.#replicas.map(quorumFault).find(each => each !== undefined);
    const isNew = fault !== undefined && this.#lastFault === undefined;
    this.#lastFault = fault;
    if (isNew) return;
    if ((fault === undefined) === (this.#loggedFault === undefined)) return;
    this.#loggedFault = fault;
    if (fault) this.#options.log.error({ reason: fault }, 'the store has no quorum');
    else this.#options.log.info({}, 'the store has a quorum again');
  }
}

const notCurrent = ({ others }: StreamReplicas): string[] =>
  others.filter(({ isCurrent }) => !isCurrent).map(({ name }) => name);
