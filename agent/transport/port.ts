// This interface of a message broker is what the roles use. `nats.ts` implements it; tests may use another implementation.
import type { Bucket, BucketConfig } from './bucket-port.ts';
import type { EventStream, StreamConfig } from './event-stream-port.ts';

export * from './broker-error.ts';
export type * from './bucket-port.ts';
export type * from './event-stream-port.ts';

/** A received message. `reply` is empty when the sender wants no answer. */
export interface Message {
  readonly subject: string;
  /** The bytes of the subject, for whoever has no time to make a text of them. */
  readonly subjectBytes: Uint8Array;
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

export interface MessageSubscription extends Subscription {
  /**
   * Takes no further messages, and resolves when those are handed to the handler that the broker sent before, or when the link is
   * lost. In a queue group nobody else gets those.
   */
  finish(): Promise<void>;
}

/** The reason why the broker could not be reached. */
export type ConnectFault = 'unreachable' | 'unauthorized' | 'tls' | 'credentials' | 'protocol';

export type ConnectionState =
  | { kind: 'connecting' }
  /**
   * `isClustered` is true for a server that belongs to a cluster of several. `localAddress` is the address of this machine from
   * which the broker is reached.
   */
  | {
      kind: 'connected';
      server: string;
      version: string;
      isEncrypted: boolean;
      isClustered?: boolean;
      localAddress?: string | undefined;
    }
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
  subscribe(subject: string, handler: (message: Message) => void, queue?: string): MessageSubscription;
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
  /**
   * Has all watches and readings begin again, because a stream was removed and made again: the broker does not tell that to
   * who reads it. They go on where they were.
   */
  readAgain(): void;
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
  /** As of a bucket. */
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
   * stream is left, also not of an earlier attempt, so it may be tried again. Also throws BrokerError `no_space`.
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
