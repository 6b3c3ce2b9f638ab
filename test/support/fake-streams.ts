// The streams of one connection to a broker in memory, and what follows them.
import {
  BrokerError,
  type EventStream,
  type EventToPublish,
  type Fence,
  type StreamConfig,
  type StreamMessage,
} from '../../agent/transport/port.ts';
import { later, matches, type StoreAccess, type StoredStream } from './fake-store.ts';

interface Follower {
  config: StreamConfig;
  filter: string;
  fn: (message: StreamMessage, created: string) => void;
  stream: StoredStream | undefined;
  last: number;
  /** The sequence after which it begins, in the stream that it follows first. */
  after: number;
  since: Date | undefined;
}

export class FakeStreams {
  readonly #access: StoreAccess;
  readonly #configs = new Map<string, StreamConfig>();
  readonly #followers = new Set<Follower>();

  constructor(access: StoreAccess) {
    this.#access = access;
  }

  /** Opens a stream, and makes it if there is none. */
  async open(config: StreamConfig): Promise<EventStream> {
    const { store } = this.#access;
    const operate: StoreAccess['operate'] = (...args) => this.#access.operate(...args);
    await operate('stream', config.name, () => store.openStream(config));
    this.#configs.set(config.name, config);
    return {
      publish: (subject, data, id, fence) =>
        operate('publish', subject, () => {
          const stream = store.openStream(config);
          checkFence(stream, fence);
          const known = this.#knownEvent(stream, { subject, data, id });
          if (known) return { sequence: known, duplicate: true };
          return { sequence: this.#storeEvent(stream, { subject, data, id }), duplicate: false };
        }),
      publishBatch: (events, fence) =>
        operate('publish', events.map(({ subject }) => subject).join(' '), () => {
          const stream = store.openStream(config);
          if (!store.takesBatches) return undefined;
          checkFence(stream, fence);
          const ids = new Set(events.map(({ id }) => id));
          if (ids.size < events.length || events.some(event => this.#knownEvent(stream, event)))
            return undefined;
          return events.map(event => this.#storeEvent(stream, event)).at(-1);
        }),
      fill: () =>
        operate('fill', config.name, () => {
          const stream = store.openStream(config);
          const bytes = stream.messages.reduce((sum, { data }) => sum + data.length, 0);
          const isTrimmed = stream.messages.length < stream.sequence;
          const { created } = stream;
          return { created, bytes, maxBytes: config.maxBytes, lastSequence: stream.sequence, isTrimmed };
        }),
      removedAfter: sequence =>
        operate('removedAfter', config.name, () => {
          const stream = store.openStream(config);
          const present = stream.messages.filter(message => message.sequence > sequence).length;
          return stream.sequence - sequence - present;
        }),
      newest: subject =>
        operate('newest', subject, () =>
          store.openStream(config).messages.findLast(message => message.subject === subject),
        ),
      oldest: filter =>
        operate('oldest', filter, () =>
          store.openStream(config).messages.find(({ subject }) => matches(filter, subject)),
        ),
      removeBefore: (filter, sequence) =>
        operate('removeBefore', filter, () => {
          const stream = store.openStream(config);
          const { length } = stream.messages;
          stream.messages = stream.messages.filter(
            message => message.sequence >= sequence || !matches(filter, message.subject),
          );
          return length - stream.messages.length;
        }),
      durables: prefix =>
        operate('durables', prefix, () => {
          const { durables } = store.openStream(config);
          const names = [...durables.keys()].filter(name => name.startsWith(prefix));
          return names.map(name => ({ name, unread: 0, unacknowledged: 0, delivered: 0 }));
        }),
      ensureDurable: durable =>
        operate('ensureDurable', durable.name, () => {
          const { durables } = store.openStream(config);
          if (!durables.has(durable.name)) durables.set(durable.name, durable);
        }),
      removeDurable: name =>
        operate('removeDurable', name, () => {
          store.openStream(config).durables.delete(name);
        }),
      lastPerSubject: (filters, fn) =>
        operate('last', filters.join(' '), () => {
          const last = new Map<string, StreamMessage>();
          for (const message of store.openStream(config).messages) {
            if (!filters.some(each => matches(each, message.subject))) continue;
            last.delete(message.subject);
            last.set(message.subject, message);
          }
          last.forEach(message => {
            fn(message);
          });
        }),
      follow: ({ filter, since, after = 0 }, fn) =>
        operate('follow', filter, () => {
          const follower: Follower = { config, filter, fn, stream: undefined, last: 0, after, since };
          this.#followers.add(follower);
          const ready = this.#catchUp(follower);
          return { ready, stop: () => void this.#followers.delete(follower) };
        }),
    };
  }

  /** Opens each stream again, which the broker may have lost. */
  reopen(): void {
    for (const config of this.#configs.values()) this.#access.store.openStream(config);
  }

  /** Lets each follower go on where it was. */
  resume(): void {
    for (const follower of this.#followers) this.#catchUp(follower);
  }

  /** Passes a new message to those who follow its stream. */
  notify(stream: StoredStream, message: StreamMessage): void {
    for (const follower of this.#followers) {
      if (follower.stream === stream && matches(follower.filter, message.subject))
        this.#deliver(follower, message);
    }
  }

  /** Lets nobody follow any more. */
  close(): void {
    this.#followers.clear();
  }

  /** Returns the sequence under which the event is stored already. */
  #knownEvent(stream: StoredStream, { subject, data, id }: EventToPublish): number | undefined {
    const known = stream.ids.get(id);
    if (!known || this.#access.store.clock.monotonic() - known.at >= 120_000) return undefined;
    const isSame = (message: StreamMessage) =>
      message.sequence === known.sequence &&
      message.subject === subject &&
      Buffer.from(data).equals(message.data);
    return stream.messages.some(isSame) ? known.sequence : undefined;
  }

  #storeEvent(stream: StoredStream, { subject, data, id }: EventToPublish): number {
    this.#access.store.route(subject, data, '');
    stream.ids.set(id, { sequence: stream.sequence, at: this.#access.store.clock.monotonic() });
    return stream.sequence;
  }

  #catchUp(follower: Follower): Promise<void> {
    const stream = this.#access.store.openStream(follower.config);
    if (follower.stream !== stream)
      follower.last = follower.stream ? 0 : Math.min(follower.after, stream.sequence);
    follower.stream = stream;
    const { since } = follower;
    for (const message of stream.messages) {
      if (
        message.sequence > follower.last &&
        matches(follower.filter, message.subject) &&
        !(since && message.time < since)
      )
        this.#deliver(follower, message);
    }
    return new Promise(resolve => later(resolve));
  }

  #deliver(follower: Follower, message: StreamMessage): void {
    follower.last = message.sequence;
    later(() => this.#followers.has(follower) && follower.fn(message, follower.stream?.created ?? ''));
  }
}

function checkFence({ messages }: StoredStream, fence: Fence | undefined): void {
  const mark = messages.findLast(message => message.subject === fence?.subject);
  if (fence && (mark?.sequence ?? 0) !== fence.sequence)
    throw new BrokerError('revision_conflict', `wrong last sequence: ${mark?.sequence}`);
}
