// This interface of a message broker is what the roles use. `nats.ts` implements it; tests may use another implementation.

/** A received message. `reply` is empty when the sender wants no answer. */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string;
  /** Returns the value of a header; empty when there is none. */
  header(name: string): string;
  /** Answers the sender. Returns false when the sender wants no answer, or while not connected. */
  respond(data: Uint8Array | string): boolean;
}

export interface Subscription {
  unsubscribe(): void;
}

/** The reason why an operation on the broker failed. */
export type BrokerFault =
  /** There is no connection, or it was lost during the operation. */
  | 'disconnected'
  /** Nobody subscribes to the subject. */
  | 'no_responders'
  /** No answer came in time. */
  | 'timeout'
  /** The key has another revision than the one in the call, because somebody else wrote it. */
  | 'revision_conflict'
  /** The broker has no room on its disk to store the message, so it did not store it. */
  | 'no_space'
  /** So few servers of a cluster are there that its store has no leader. Nothing was stored. A single server never says so. */
  | 'no_quorum'
  /** A cluster does not find a stream that was there before. A server that came back empty may have answered. */
  | 'store_missing'
  /** A stream, a bucket or a permission is missing, or has another configuration. */
  | 'refused'
  /** The broker does not permit us the subject. */
  | 'not_permitted';

export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  readonly fault: BrokerFault;

  constructor(fault: BrokerFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.fault = fault;
  }
}

/** Returns whether the broker refuses an operation for good, so that trying it again is of no use. */
export const isRefusal = ({ fault }: BrokerError): boolean =>
  fault === 'refused' || fault === 'not_permitted';

/** Returns whether a write failed because somebody else has written the key or the stream meanwhile. */
export const isRevisionConflict = (error: unknown): error is BrokerError =>
  error instanceof BrokerError && error.fault === 'revision_conflict';

/** The reason why the broker could not be reached. */
export type ConnectFault = 'unreachable' | 'unauthorized' | 'tls' | 'credentials' | 'protocol';

export type ConnectionState =
  | { kind: 'connecting' }
  /** `isClustered` is true for a server that belongs to a cluster of several. */
  | { kind: 'connected'; server: string; version: string; isEncrypted: boolean; isClustered?: boolean }
  /** `reason` is a sentence for the operator; `since` is the time of the loss, in milliseconds of the monotonic clock. */
  | { kind: 'disconnected'; fault: ConnectFault; reason: string; since: number }
  | { kind: 'closed' };

/** How long answers are awaited. */
export interface GatherWait {
  /** Time for the first answer, in milliseconds. */
  firstMs: number;
  /** Time after each answer in which another one may come, in milliseconds. */
  nextMs: number;
}

export interface Connection {
  readonly state: ConnectionState;
  /** Calls `fn` at each change of the state. Another failure for the same reason is not a change. */
  onState(fn: (state: ConnectionState) => void): Subscription;
  /**
   * Resolves when connected. Rejects with BrokerError `disconnected` when the connection is closed, or when `signal`
   * aborts first.
   */
  connected(signal?: AbortSignal): Promise<void>;
  /**
   * Returns the addresses that the present broker names to its clients: its own, and those of the other servers of its
   * cluster; none while disconnected.
   */
  named(): readonly string[];
  /**
   * Sends a message to the broker. Returns false while disconnected: then the message is not queued, and the caller
   * decides what to do.
   */
  publish(subject: string, data: Uint8Array | string): boolean;
  /**
   * Sends a request and waits at most `timeoutMs` milliseconds for the first answer. `reply` is the subject of the answer;
   * by default it is one of this connection's own inbox. @throws BrokerError `disconnected`, `no_responders` or `timeout`.
   */
  request(subject: string, data: Uint8Array | string, timeoutMs: number, reply?: string): Promise<Message>;
  /**
   * Sends a request that several may answer, and calls `onAnswer` with each answer. Resolves when that returns true, or
   * when no further answer comes. @throws BrokerError as `request`.
   */
  gather(
    subject: string,
    data: Uint8Array | string,
    wait: GatherWait,
    onAnswer: (message: Message) => boolean,
  ): Promise<void>;
  /**
   * Calls `handler` with each message on `subject`, which may contain wildcards, also after reconnections. `handler` must
   * not throw. Of the subscribers in one `queue`, only one gets each message. @throws BrokerError `refused` when `subject`
   * is not a subject.
   */
  subscribe(subject: string, handler: (message: Message) => void, queue?: string): Subscription;
  /**
   * Sends a ping and resolves when the broker has answered it. The broker then also has everything that was sent before.
   * Throws BrokerError.
   */
  flush(timeoutMs: number): Promise<void>;
  /** Returns the durable storage. Only the requester uses it, and its code is loaded at the first call. */
  storage(): Promise<Storage>;
  /**
   * Ends the present link, if there is one, and connects again after `afterMs` milliseconds, with a name and credentials
   * that are read again. Another call replaces the wait of an earlier one.
   */
  reconnect(afterMs?: number): void;
  /**
   * Ends the present link and connects to another broker after `afterMs` milliseconds. Returns false, and does nothing, when
   * no other one is known or there is no link.
   */
  moveOn(afterMs: number): boolean;
  /**
   * Uses the present link for nothing more, but keeps it for `maxMs` milliseconds. Connects again as soon as it ends, which
   * the broker may do earlier to call this client back. The connection counts as disconnected meanwhile.
   */
  standBy(maxMs: number): void;
  /** Sends all waiting messages within `timeoutMs` milliseconds, and then closes the connection for good. */
  close(timeoutMs?: number): Promise<void>;
}

export interface Storage {
  /** Opens the bucket, or creates it. Throws BrokerError `refused` when it exists with another configuration. */
  bucket(config: BucketConfig): Promise<Bucket>;
  /** Opens the stream, or creates it. An existing stream is changed to `config` where the broker allows it. */
  stream(config: StreamConfig): Promise<EventStream>;
  /**
   * Returns which servers of a cluster store the stream of this name, as one of them knows; undefined on a single server, and
   * when there is no such stream. Throws BrokerError.
   */
  replicas(stream: string): Promise<StreamReplicas | undefined>;
  /**
   * Lets the stream of this name take messages again, which `StreamCopies.shut` has shut. Returns false when it is not shut, or
   * not there. Throws BrokerError.
   */
  reopen(stream: string): Promise<boolean>;
}

/** The servers of a cluster that store one stream. */
export interface StreamReplicas {
  stream: string;
  /** Number of servers that should store it. */
  replicas: number;
  /** Number of servers that the present one names to its clients; 0 when it names none. */
  servers: number;
  /** The server that takes the writes; undefined while there is none, so that nothing is written. */
  leader: string | undefined;
  /** The servers besides the leader; all of them while there is none. */
  others: ReplicaState[];
}

export interface ReplicaState {
  name: string;
  /** Whether it is there and has all that the leader has. */
  isCurrent: boolean;
  /** Number of operations that it has not got yet. */
  lag: number;
  /** Time since the leader heard of it last, in milliseconds; 0 while there is no leader. */
  silentMs: number;
}

export interface BucketConfig {
  name: string;
  /** Number of revisions of each key that are stored. Bacalhau's bucket stores 1. */
  history: 1;
  /** Whether it was there at an earlier start. A cluster that does not find it is not believed then. */
  isKnown?: boolean | undefined;
}

export interface StreamConfig {
  name: string;
  subjects: string[];
  /** Age at which a message is removed, in milliseconds; 0 means never. */
  maxAgeMs: number;
  /** Size of the stream at which the oldest messages are removed, in bytes; -1 means no limit. */
  maxBytes: number;
  /** As of a bucket. */
  isKnown?: boolean | undefined;
}

/** One revision of one key. `marker` is true for a deleted or purged key, which has an empty value. */
export interface BucketEntry {
  key: string;
  value: Uint8Array;
  revision: number;
  marker: boolean;
  /** The headers of a marker besides the broker's own, such as the reason of a purge. */
  headers: Record<string, string>;
  created: Date;
}

export interface BucketState {
  /** The time of creation, as the broker writes it. */
  created: string;
  /** The newest revision that was ever given; 0 when there is none. It is smaller after a backup was restored. */
  lastRevision: number;
  /** Number of keys, with the deleted ones that left a marker. */
  keys: number;
}

/**
 * A key-value bucket. All methods throw BrokerError `timeout`, `disconnected` or `refused`; those that write also throw
 * `revision_conflict` and `no_space`.
 */
export interface Bucket {
  /** Returns what tells this bucket from an earlier one of its name, and from an older state of itself. */
  state(): Promise<BucketState>;
  /** Returns the newest revision of `key`, which may be a marker; undefined when the key was never written. */
  get(key: string): Promise<BucketEntry | undefined>;
  /**
   * Writes `value` if the newest revision is `revision`. 0 means that the key was never written; a marker counts as
   * written. Returns the new revision.
   */
  put(key: string, value: Uint8Array, revision: number): Promise<number>;
  /**
   * Purges `key` if its newest revision is `revision`, and leaves a marker with `headers`. Returns the marker's revision.
   */
  purge(key: string, revision: number, headers: Record<string, string>): Promise<number>;
  /**
   * Removes the entries of `key` up to `revision` for good, and leaves no marker. A newer entry stays. A watch does not
   * hear of it.
   */
  remove(key: string, revision: number): Promise<void>;
  /**
   * Calls `fn` with the newest revision of every key, including markers, and then with each write. After a reconnection
   * all keys come again, so `fn` may get a revision twice. But it never misses a write, and the order is right. `ready`
   * resolves at the end of the first pass. It rejects with BrokerError `disconnected` when the watch is stopped or the
   * connection is closed earlier.
   */
  watch(fn: (entry: BucketEntry) => void, passes?: WatchPasses): Promise<BucketWatch>;
}

export interface BucketWatch {
  ready: Promise<void>;
  stop(): void;
  /** Begins another pass over all keys. */
  restart(): void;
}

/** What a watch covers, and callbacks for a watcher that must notice the loss of the store. */
export interface WatchPasses {
  /** The beginnings of the keys to watch, up to and with their last dot, such as `seen.`; all keys by default. */
  prefixes?: readonly string[];
  /**
   * Called before each pass over all keys. `lost` is true when the bucket was created again since the last pass. Then its
   * revisions start again, and a key that does not come in this pass is gone.
   */
  begin?(pass: { lost: boolean }): void;
  /** Called at the end of each pass. After it, each write comes when it happens. */
  complete?(): void;
}

export interface StreamMessage {
  subject: string;
  data: Uint8Array;
  sequence: number;
  time: Date;
}

/** A condition for storing an event: the newest message of `subject` in the stream has this sequence. */
export interface Fence {
  subject: string;
  sequence: number;
}

/** An event with its message id. */
export interface EventToPublish {
  subject: string;
  data: string;
  id: string;
}

export interface EventStream {
  /**
   * Publishes an event and waits until it is stored. The same event with the same `id` is stored once within 2 minutes. A
   * different message that was stored under this `id` before does not suppress it. Throws BrokerError `revision_conflict`
   * when the fence does not hold; a fence needs nats-server 2.12.
   */
  publish(
    subject: string,
    data: string,
    id: string,
    fence?: Fence,
  ): Promise<{ sequence: number; duplicate: boolean }>;
  /**
   * Publishes up to 1000 events together: all are stored, one directly after the other, or none. Returns the
   * sequence of the last one. Returns undefined when they have to be published one by one: the stream takes no batches, or
   * it has one of the events already. Throws BrokerError, as `publish`.
   */
  publishBatch(events: readonly EventToPublish[], fence?: Fence): Promise<number | undefined>;
  /** Calls `fn` with the newest message of each subject that matches one of the filters, the oldest first. */
  lastPerSubject(filters: readonly string[], fn: (message: StreamMessage) => void): Promise<void>;
  /**
   * Calls `fn` with every stored message that matches `filter` from `since` on, or after the sequence `after`, and then
   * with each new one, until it is stopped. Each message comes once and in order, also after reconnections. `ready` is as for `Bucket.watch`. When `fn`
   * returns a promise, the next message waits until the promise is settled.
   */
  follow(
    options: { filter: string; since?: Date | undefined; after?: number | undefined },
    fn: (message: StreamMessage) => void | Promise<void>,
  ): Promise<{ ready: Promise<void>; stop(): void }>;
  /** Returns how full the stream is, and the sequence of its newest message. */
  fill(): Promise<StreamFill>;
  /** Returns the newest message of `subject`; undefined when there is none. It never asks a server that may be behind. */
  newest(subject: string): Promise<StreamMessage | undefined>;
  /** Returns the oldest message that matches `filter`; undefined when there is none. */
  oldest(filter: string): Promise<StreamMessage | undefined>;
  /** Removes the messages that match `filter` and are older than `sequence`. Returns their number. */
  removeBefore(filter: string, sequence: number): Promise<number>;
  /** Returns the durables whose names begin with `prefix`. */
  durables(prefix: string): Promise<DurableState[]>;
  /** Makes a durable. One that exists keeps its place, and gets the present limits. */
  ensureDurable(durable: DurableConfig): Promise<void>;
  /** Removes a durable, if there is one of this name. */
  removeDurable(name: string): Promise<void>;
}

/** A place in a stream that the broker keeps for a reader, who asks for messages and acknowledges each. */
export interface DurableConfig {
  name: string;
  /** A text for people who look at the broker. */
  description: string;
  /** The subjects that it reads. */
  filter: string;
  /** The time of the first message that it reads; undefined for the oldest that is stored. */
  since?: Date | undefined;
}

export interface DurableState {
  name: string;
  /** Number of messages that its reader has not got yet, and of those that it has got and not acknowledged. */
  unread: number;
  unacknowledged: number;
  /** Number of messages that were ever sent to its reader. */
  delivered: number;
}

export interface StreamFill {
  /** The time of creation, as the broker writes it. It tells the stream from a later one of its name. */
  created: string;
  bytes: number;
  /** Size at which the oldest messages are removed, in bytes; -1 means no limit. */
  maxBytes: number;
  lastSequence: number;
  /** Whether older messages were removed: for their age, for the size of the stream, or by `removeBefore`. */
  isTrimmed: boolean;
}

/** A connection that also copies whole streams, which only backups and restores need. */
export interface CopyingConnection extends Connection {
  /** Returns the functions that copy streams. Their code is loaded at the first call. */
  copies(): Promise<StreamCopies>;
}

/** What the broker says of a stream when it copies it. It gets the same back when the stream is restored. */
export interface StreamCopy {
  stream: string;
  config: Record<string, unknown>;
  state: Record<string, unknown>;
}

export interface StreamCounts {
  messages: number;
  /** The sequences of the oldest and the newest message. */
  firstSequence: number;
  lastSequence: number;
  /** The time of the newest message (RFC 3339); undefined when the broker names none. */
  lastAt: string | undefined;
  /** Number of servers that store the stream. */
  replicas: number;
  /** The time of creation, as the broker writes it. */
  created: string;
  /** Whether it takes no messages: see `shut`. */
  isShut: boolean;
}

/** All methods throw BrokerError `timeout`, `disconnected`, `not_permitted` or `refused`. */
export interface StreamCopies {
  /** Returns what the broker says of a stream; undefined when there is no such stream. */
  counts(stream: string): Promise<StreamCounts | undefined>;
  /**
   * Copies a stream with its durables. Calls `onChunk` with each part, and waits for it. The copy is right only if nobody
   * writes to the stream meanwhile: the broker copies one block of messages after the other. It is not right when `counts`
   * of before and after differ.
   */
  snapshot(stream: string, onChunk: (chunk: Uint8Array) => Promise<void>): Promise<StreamCopy>;
  /**
   * Makes a stream of a copy, and returns what it contains. There must be no such stream. When it fails, nothing of the
   * stream is left. Also throws BrokerError `no_space`.
   */
  restore(copy: StreamCopy, chunks: AsyncIterable<Uint8Array>): Promise<StreamCounts>;
  /** Removes a stream with everything in it, if there is one. */
  remove(stream: string): Promise<void>;
  /**
   * Has the broker take no more messages for a stream, whoever sends them, until `Storage.reopen`. When this resolves, each
   * message that was acknowledged is stored. What is stored can be read.
   */
  shut(stream: string): Promise<void>;
  /** Removes one message of a stream, if it is there. */
  removeMessage(stream: string, sequence: number): Promise<void>;
}
