// What a broker in memory stores: buckets and streams. A test can make each operation on them fail.
import type { Clock } from '../../agent/system/clock.ts';
import type {
  BrokerFault,
  BucketEntry,
  DurableConfig,
  StreamConfig,
  StreamMessage,
} from '../../agent/transport/port.ts';

export type StoreOperation =
  | 'bucket'
  | 'stream'
  | 'state'
  | 'get'
  | 'put'
  | 'purge'
  | 'remove'
  | 'watch'
  | 'publish'
  | 'last'
  | 'fill'
  | 'removedAfter'
  | 'newest'
  | 'oldest'
  | 'removeBefore'
  | 'durables'
  | 'ensureDurable'
  | 'removeDurable'
  | 'follow';

/**
 * A fault of one operation. `applied` means that the broker carried it out, and only its answer is lost. A `timeout` takes
 * 5 s.
 */
export interface StoreFault {
  fault: BrokerFault;
  applied?: boolean;
}

export interface StoredBucket {
  incarnation: number;
  revision: number;
  entries: Map<string, BucketEntry>;
}

export interface StoredStream {
  created: string;
  subjects: string[];
  messages: StreamMessage[];
  ids: Map<string, { sequence: number; at: number }>;
  sequence: number;
  durables: Map<string, DurableConfig>;
}

/** How the buckets and streams of one connection reach what is stored. */
export interface StoreAccess {
  readonly store: FakeStore;
  /**
   * Runs one operation on the store. It ends a moment later. It fails when a fault was planned, or when the connection is
   * lost.
   */
  operate<T>(operation: StoreOperation, key: string, apply: () => T): Promise<T>;
}

export abstract class FakeStore {
  readonly clock: Clock;
  /** A function that is called before each operation on the store. If it returns a fault, the operation fails. */
  storeFault: ((operation: StoreOperation, key: string) => StoreFault | undefined) | undefined;
  readonly buckets = new Map<string, StoredBucket>();
  readonly streams = new Map<string, StoredStream>();
  /** Whether its streams take batches of events. */
  takesBatches = true;
  #incarnations = 0;
  readonly #faults: { operation: StoreOperation; fault: StoreFault }[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Tells all connections of a new entry of a bucket. */
  abstract announce(bucket: string, entry: BucketEntry): void;

  /** Stores a message in the streams that have its subject, and passes it on. Returns whether anybody received it. */
  abstract route(subject: string, data: Uint8Array | string, reply: string): boolean;

  /** Makes the next `operation` fail. Several faults of one operation come one after the other. */
  failNext(operation: StoreOperation, fault: StoreFault): void {
    this.#faults.push({ operation, fault });
  }

  takeFault(operation: StoreOperation, key: string): StoreFault | undefined {
    const index = this.#faults.findIndex(each => each.operation === operation);
    if (index >= 0) return this.#faults.splice(index, 1)[0]?.fault;
    return this.storeFault?.(operation, key);
  }

  openBucket(name: string): StoredBucket {
    const bucket = this.buckets.get(name) ?? {
      incarnation: ++this.#incarnations,
      revision: 0,
      entries: new Map(),
    };
    this.buckets.set(name, bucket);
    return bucket;
  }

  openStream(config: StreamConfig): StoredStream {
    const stream = this.streams.get(config.name) ?? {
      created: new Date(this.clock.now().getTime() + ++this.#incarnations).toISOString(),
      subjects: [],
      messages: [],
      ids: new Map(),
      sequence: 0,
      durables: new Map(),
    };
    stream.subjects = config.subjects;
    this.streams.set(config.name, stream);
    return stream;
  }
}

/** Runs a function a moment later. */
export const later = (fn: () => unknown): void => queueMicrotask(() => void fn());

/** Returns whether `pattern`, which may contain `*` and end in `>`, matches `subject`. */
export function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}
