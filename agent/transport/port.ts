// What the roles need of a message broker, said without naming one. `nats.ts` is the real thing, tests may bring another.

/** A message received. `reply` is empty when the sender wants no answer. */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string;
  /** Answers the sender; false when the sender wants no answer or the connection is down. */
  respond(data: Uint8Array | string): boolean;
}

export interface Subscription {
  unsubscribe(): void;
}

/** Why a broker operation failed; `transient` ones may be tried again. */
export type BrokerFault =
  /** Not connected now, or the connection was lost while waiting. */
  | 'disconnected'
  /** Nobody listens on the subject. */
  | 'no_responders'
  /** No answer within the time given. */
  | 'timeout'
  /** The key holds another revision than the one named: somebody else wrote. */
  | 'revision_conflict'
  /** The stream, bucket or permission needed is not there or is set up otherwise. */
  | 'refused';

export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  readonly fault: BrokerFault;

  constructor(fault: BrokerFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.fault = fault;
  }
}

/** Why the broker could not be reached, each with its own sentence. */
export type ConnectFault = 'unreachable' | 'unauthorized' | 'tls' | 'credentials' | 'protocol';

export type ConnectionState =
  | { kind: 'connecting' }
  | { kind: 'connected'; server: string; version: string }
  /** Lost or never had; `reason` is a sentence for the operator, `since` the clock's monotonic milliseconds. */
  | { kind: 'disconnected'; fault: ConnectFault; reason: string; since: number }
  | { kind: 'closed' };

export interface Connection {
  readonly state: ConnectionState;
  /** Calls `fn` at each change of state; a repeated failure with the same reason is not a change. */
  onState(fn: (state: ConnectionState) => void): Subscription;
  /** Resolves once connected; rejects with BrokerError `disconnected` when closed or `signal` aborts first. */
  connected(signal?: AbortSignal): Promise<void>;
  /** Hands a message to the broker; false while disconnected (nothing is queued: the caller decides). */
  publish(subject: string, data: Uint8Array | string): boolean;
  /**
   * Asks and waits at most `timeout` milliseconds for the first answer.
   * @throws BrokerError `disconnected`, `no_responders` or `timeout`.
   */
  request(subject: string, data: Uint8Array | string, timeout: number): Promise<Message>;
  /**
   * Listens on `subject` (wildcards allowed), across reconnections. The handler must not throw.
   * @throws BrokerError `refused` when the subject is none.
   */
  subscribe(subject: string, handler: (message: Message) => void): Subscription;
  /** Resolves when the broker has answered all that was sent before: a ping. Throws BrokerError. */
  flush(timeout: number): Promise<void>;
  /** Durable storage: the requester's side only. Loaded on first use. */
  storage(): Promise<Storage>;
  /** Sends what is pending, then closes for good; at most `timeout` milliseconds. */
  close(timeout?: number): Promise<void>;
}

export interface Storage {
  /** Opens the bucket, creating it when absent. Throws BrokerError `refused` when it exists with another configuration. */
  bucket(config: BucketConfig): Promise<Bucket>;
  /** Opens the stream, creating it when absent (an existing one is brought up to `config` where the broker allows). */
  stream(config: StreamConfig): Promise<EventStream>;
}

export interface BucketConfig {
  name: string;
  /** Revisions kept per key; 1 is Bacalhau's. */
  history: 1;
}

export interface StreamConfig {
  name: string;
  subjects: string[];
  /** Milliseconds. */
  maxAge: number;
  /** Bytes. */
  maxBytes: number;
}

/** One revision of one key. `marker` is true for a deleted or purged key, whose value is empty. */
export interface BucketEntry {
  key: string;
  value: Uint8Array;
  revision: number;
  marker: boolean;
  /** Headers that a marker carries beside the broker's own, such as why it was purged. */
  headers: Record<string, string>;
  created: Date;
}

/** All methods throw BrokerError: `timeout`, `disconnected`, `refused`; writes also `revision_conflict`. */
export interface Bucket {
  /** The newest revision of `key`, a marker included; undefined when the key was never written. */
  get(key: string): Promise<BucketEntry | undefined>;
  /**
   * Writes `value` if the newest revision is `revision` (0: the key was never written; a marker counts as written).
   * Answers the new revision.
   */
  put(key: string, value: Uint8Array, revision: number): Promise<number>;
  /** Purges `key` if its newest revision is `revision`, leaving a marker with `headers`. Answers the marker's revision. */
  purge(key: string, revision: number, headers: Record<string, string>): Promise<number>;
  /**
   * Calls `fn` with the newest revision of every key (markers included), then with each write as it happens, across
   * reconnections: each one begins another whole pass, so a key may be told again but no write is missed or reordered.
   * `ready` resolves at the end of the first pass; it rejects with BrokerError `disconnected` when stopped or closed before.
   */
  watch(
    fn: (entry: BucketEntry) => void,
    passes?: WatchPasses,
  ): Promise<{ ready: Promise<void>; stop(): void }>;
}

/** What a watcher that must notice a lost store is told beside the entries. */
export interface WatchPasses {
  /**
   * Every key that stands in the bucket is about to be told. `lost` is true when the bucket is not the one of the pass
   * before: it was made anew, its revisions start over, and what is not told in this pass is gone.
   */
  begin?(pass: { lost: boolean }): void;
  /** All that stood in the bucket has been told since `begin`; writes follow as they happen. */
  complete?(): void;
}

export interface StreamMessage {
  subject: string;
  data: Uint8Array;
  sequence: number;
  time: Date;
}

export interface EventStream {
  /** Publishes and waits for the broker's acknowledgement; a second message with the same `id` within 2 min is stored once. */
  publish(subject: string, data: string, id: string): Promise<{ sequence: number; duplicate: boolean }>;
  /** The newest message of each subject that matches `filter`, oldest first. */
  lastPerSubject(filter: string, fn: (message: StreamMessage) => void): Promise<void>;
  /**
   * Every stored message that matches `filter` from `since` on, then new ones as they come, each once and in order,
   * across reconnections, until stopped. `ready` is as with `watch`. While a promise that `fn` answers is pending, no
   * more come.
   */
  follow(
    options: { filter: string; since?: Date | undefined },
    fn: (message: StreamMessage) => void | Promise<void>,
  ): Promise<{ ready: Promise<void>; stop(): void }>;
}
