// The part of port.ts that stores events: a stream of the broker, and the places of its readers.

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
   * `Bucket.watch`. `created` is the time of creation of the stream that has the message. When `fn` returns a promise, the next message waits until the promise is settled.
   */
  follow(
    options: { filter: string; since?: Date | undefined; after?: number | undefined },
    fn: (message: StreamMessage, created: string) => void | Promise<void>,
  ): Promise<{ ready: Promise<void>; stop(): void }>;
  /**
   * Returns how many messages after this sequence were removed from the stream; less than 0 when the stream does not reach so
   * far. @throws BrokerError
   */
  removedAfter(sequence: number): Promise<number>;
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
