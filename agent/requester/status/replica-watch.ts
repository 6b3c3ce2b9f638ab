// The replica watch asks a cluster of NATS servers every few seconds which of them store the roll, and refuses writes while
// the store says that it has no leader. On a single server it does nothing.
import type { Clock, Timer } from '../../system/clock.ts';
import {
  BrokerError,
  type Bucket,
  type Connection,
  type EventStream,
  type Storage,
  type StreamReplicas,
} from '../../transport/port.ts';
import { quorumFault, type ReplicaSources } from './store-replicas.ts';

/** Time between two questions, in milliseconds. */
const intervalMs = 10_000;

export interface ReplicaWatchOptions {
  connection: Pick<Connection, 'state' | 'onState' | 'storage'>;
  /** The names of the streams. */
  streams: readonly string[];
  clock: Clock;
  /** Called when something that the status shows may have changed. */
  onChange(): void;
}

export class ReplicaWatch implements ReplicaSources {
  readonly #options: ReplicaWatchOptions;
  #replicas: readonly StreamReplicas[] = [];
  #behind: ReadonlyMap<string, readonly string[]> = new Map();
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

  /** The servers of each stream that were not current twice in a row: one that is behind for a moment is none. */
  get behind(): ReadonlyMap<string, readonly string[]> {
    return this.#behind;
  }

  /** Why nothing can be written to a stream, and of when the roll is; undefined when all is well, and on a single server. */
  get quorumFault(): string | undefined {
    const fault = this.#replicas.map(quorumFault).find(each => each !== undefined);
    if (fault === undefined) return undefined;
    return this.#wholeAt ? `${fault}; what is shown is as of ${this.#wholeAt.toISOString()}` : fault;
  }

  /** Returns the storage that refuses everything by `no_quorum` while the store says that it has no leader. */
  guard(storage: Storage): Storage {
    return {
      bucket: async config => this.#guardBucket(await storage.bucket(config), `KV_${config.name}`),
      stream: async config => this.#guardStream(await storage.stream(config), config.name),
      replicas: stream => storage.replicas(stream),
    };
  }

  #onState(): void {
    const { state } = this.#options.connection;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (state.kind === 'connected' && state.isClustered) void this.#ask();
    else this.#take([]);
  }

  #plan(): void {
    const { connection, clock } = this.#options;
    this.#timer?.cancel();
    const { state } = connection;
    if (this.#isStopped || state.kind !== 'connected' || !state.isClustered) return;
    this.#timer = clock.after(intervalMs, () => void this.#ask());
  }

  /** Asks the cluster now. Never rejects. */
  #ask(): Promise<void> {
    this.#asking ??= this.#read().finally(() => {
      this.#asking = undefined;
      this.#plan();
    });
    return this.#asking;
  }

  async #read(): Promise<void> {
    const { connection, streams } = this.#options;
    // A cluster that does not answer, as while it chooses a leader, has not said that it has none.
    const read = async (stream: string) => await (await connection.storage()).replicas(stream);
    const found = await Promise.all(streams.map(stream => read(stream).catch(() => undefined)));
    this.#take(found.filter(each => each !== undefined));
  }

  #take(replicas: readonly StreamReplicas[]): void {
    const before = new Map(this.#replicas.map(each => [each.stream, notCurrent(each)]));
    const behind = replicas
      .map(
        each =>
          [each.stream, notCurrent(each).filter(name => before.get(each.stream)?.includes(name))] as const,
      )
      .filter(([, names]) => names.length > 0);
    const isSame = replicas.length === 0 && this.#replicas.length === 0;
    this.#replicas = replicas;
    if (replicas.length > 0 && !replicas.some(quorumFault)) this.#wholeAt = this.#options.clock.now();
    this.#behind = new Map(behind);
    if (!isSame) this.#options.onChange();
  }

  #faultOf(stream: string): string | undefined {
    const found = this.#replicas.find(each => each.stream === stream);
    return found && quorumFault(found);
  }

  /** Does what is asked, unless the store says now that it has no leader. A write that gets no answer is a reason to ask. */
  async #pass<T>(stream: string, work: () => Promise<T>): Promise<T> {
    if (this.#faultOf(stream)) {
      await this.#ask();
      const fault = this.#faultOf(stream);
      if (fault) throw new BrokerError('no_quorum', fault);
    }
    try {
      return await work();
    } catch (error) {
      if (error instanceof BrokerError && error.fault === 'timeout' && this.#replicas.length > 0)
        void this.#ask();
      throw error;
    }
  }

  #guardBucket(bucket: Bucket, name: string): Bucket {
    return {
      state: () => bucket.state(),
      watch: (...args) => bucket.watch(...args),
      get: key => this.#pass(name, () => bucket.get(key)),
      put: (...args) => this.#pass(name, () => bucket.put(...args)),
      purge: (...args) => this.#pass(name, () => bucket.purge(...args)),
      remove: (...args) => this.#pass(name, () => bucket.remove(...args)),
    };
  }

  #guardStream(stream: EventStream, name: string): EventStream {
    return {
      ...stream,
      publish: (...args) => this.#pass(name, () => stream.publish(...args)),
    };
  }
}

const notCurrent = ({ others }: StreamReplicas): string[] =>
  others.filter(({ isCurrent }) => !isCurrent).map(({ name }) => name);
