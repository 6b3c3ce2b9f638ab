// This interface of a message broker is what the roles use. `nats.ts` implements it; tests may use another implementation.
import type { Bucket, BucketConfig } from './bucket-port.ts';

export * from './broker-error.ts';
export type * from './bucket-port.ts';

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

export interface StreamConfig {
  name: string;
  subjects: string[];
  /** Age at which a message is removed, in milliseconds; 0 means never. */
  maxAgeMs: number;
  /** Size of the stream at which the oldest messages are removed, in bytes; -1 means no limit. */
  maxBytes: number;
  /** As of a bucket: see BucketConfig. */
  isKnown?: boolean | undefined;
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
   * with each new one, until it is stopped. Each message comes once and in order, also after reconnections. `ready` is as for
   * `Bucket.watch`. When `fn` returns a promise, the next message waits until the promise is settled.
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
