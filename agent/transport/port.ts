// The interface of a message broker, as the roles use it. `nats.ts` implements it; tests may use another implementation.

/** A message that was received. `reply` is empty when the sender wants no answer. */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string;
  /** Answers the sender. Returns false when the sender wants no answer, or while not connected. */
  respond(data: Uint8Array | string): boolean;
}

export interface Subscription {
  unsubscribe(): void;
}

/** Why an operation on the broker failed. */
export type BrokerFault =
  /** There is no connection, or it was lost during the operation. */
  | 'disconnected'
  /** Nobody subscribes to the subject. */
  | 'no_responders'
  /** No answer came in time. */
  | 'timeout'
  /** The key holds another revision than the one that was named, because somebody else wrote it. */
  | 'revision_conflict'
  /** A stream, a bucket or a permission is missing or has another configuration. */
  | 'refused';

export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  readonly fault: BrokerFault;

  constructor(fault: BrokerFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.fault = fault;
  }
}

/** Why the broker could not be reached. */
export type ConnectFault = 'unreachable' | 'unauthorized' | 'tls' | 'credentials' | 'protocol';

export type ConnectionState =
  | { kind: 'connecting' }
  | { kind: 'connected'; server: string; version: string }
  /** `reason` is a sentence for the operator; `since` is the time of the loss, in milliseconds of the monotonic clock. */
  | { kind: 'disconnected'; fault: ConnectFault; reason: string; since: number }
  | { kind: 'closed' };

export interface Connection {
  readonly state: ConnectionState;
  /** Calls `fn` at each change of the state. Another failure for the same reason is not a change. */
  onState(fn: (state: ConnectionState) => void): Subscription;
  /** Resolves once connected. Rejects with BrokerError `disconnected` when closed, or when `signal` aborts first. */
  connected(signal?: AbortSignal): Promise<void>;
  /** Hands a message to the broker. Returns false while disconnected: nothing is queued, the caller decides what to do. */
  publish(subject: string, data: Uint8Array | string): boolean;
  /**
   * Sends a request and waits at most `timeoutMs` milliseconds for the first answer.
   * @throws BrokerError `disconnected`, `no_responders` or `timeout`.
   */
  request(subject: string, data: Uint8Array | string, timeoutMs: number): Promise<Message>;
  /**
   * Calls `handler` with each message on `subject`, which may have wildcards, across reconnections. `handler` must not
   * throw.
   * @throws BrokerError `refused` when `subject` is not a subject.
   */
  subscribe(subject: string, handler: (message: Message) => void): Subscription;
  /**
   * Sends a ping and resolves when the broker has answered it, and so has taken all that was sent before. Throws
   * BrokerError.
   */
  flush(timeoutMs: number): Promise<void>;
  /** Returns the durable storage. Only the requester uses it, and its code is loaded at the first call. */
  storage(): Promise<Storage>;
  /** Sends what is pending, which may take `timeoutMs` milliseconds at most, and then closes for good. */
  close(timeoutMs?: number): Promise<void>;
}

export interface Storage {
  /** Opens the bucket, or creates it. Throws BrokerError `refused` when it exists with another configuration. */
  bucket(config: BucketConfig): Promise<Bucket>;
  /** Opens the stream, or creates it. An existing stream is changed to `config` where the broker allows it. */
  stream(config: StreamConfig): Promise<EventStream>;
}

export interface BucketConfig {
  name: string;
  /** Number of revisions that are kept of each key. Bacalhau's bucket keeps 1. */
  history: 1;
}

export interface StreamConfig {
  name: string;
  subjects: string[];
  /** Age at which a message is removed, in milliseconds; 0 keeps messages of any age. */
  maxAgeMs: number;
  /** Size at which the oldest messages are removed, in bytes; -1 is no limit. */
  maxBytes: number;
}

/** One revision of one key. `marker` is true for a deleted or purged key, which has an empty value. */
export interface BucketEntry {
  key: string;
  value: Uint8Array;
  revision: number;
  marker: boolean;
  /** The headers that a marker carries beside the broker's own, such as the reason of a purge. */
  headers: Record<string, string>;
  created: Date;
}

/** All methods throw BrokerError `timeout`, `disconnected` or `refused`; those that write also `revision_conflict`. */
export interface Bucket {
  /** Returns the newest revision of `key`, which may be a marker, or undefined when the key was never written. */
  get(key: string): Promise<BucketEntry | undefined>;
  /**
   * Writes `value` if the newest revision is `revision`. 0 means that the key was never written; a marker counts as written.
   * Returns the new revision.
   */
  put(key: string, value: Uint8Array, revision: number): Promise<number>;
  /**
   * Purges `key` if its newest revision is `revision`, and leaves a marker with `headers`. Returns the marker's revision.
   */
  purge(key: string, revision: number, headers: Record<string, string>): Promise<number>;
  /**
   * Calls `fn` with the newest revision of every key, markers included, and then with each write. After a reconnection it
   * passes over all keys again, so `fn` may get a revision twice, but never misses a write and gets them in order. `ready`
   * resolves at the end of the first pass, and rejects with BrokerError `disconnected` when stopped or closed before.
   */
  watch(
    fn: (entry: BucketEntry) => void,
    passes?: WatchPasses,
  ): Promise<{ ready: Promise<void>; stop(): void }>;
}

/** Callbacks for a watcher that must notice a lost store. */
export interface WatchPasses {
  /**
   * Called before each pass over all keys. `lost` is true when the bucket was created again since the pass before: its
   * revisions then start over, and a key that does not appear in this pass is gone.
   */
  begin?(pass: { lost: boolean }): void;
  /** Called at the end of each pass. From then on each write follows as it happens. */
  complete?(): void;
}

export interface StreamMessage {
  subject: string;
  data: Uint8Array;
  sequence: number;
  time: Date;
}

export interface EventStream {
  /** Publishes and waits until it is stored. A second message with the same `id` within 2 minutes is not stored again. */
  publish(subject: string, data: string, id: string): Promise<{ sequence: number; duplicate: boolean }>;
  /** Calls `fn` with the newest message of each subject that matches `filter`, the oldest first. */
  lastPerSubject(filter: string, fn: (message: StreamMessage) => void): Promise<void>;
  /**
   * Calls `fn` with every stored message that matches `filter` from `since` on, and then with each new one: each once and
   * in order, across reconnections, until stopped. `ready` is as for `Bucket.watch`. While a promise that `fn` returned is
   * pending, no more messages come.
   */
  follow(
    options: { filter: string; since?: Date | undefined },
    fn: (message: StreamMessage) => void | Promise<void>,
  ): Promise<{ ready: Promise<void>; stop(): void }>;
}
