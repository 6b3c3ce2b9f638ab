// Implements transport/port.ts with a broker in memory and connections to it. A test can make each operation fail.
import { type Clock, sleep } from '../../agent/system/clock.ts';
import {
  BrokerError,
  type BrokerFault,
  type Bucket,
  type BucketConfig,
  type BucketEntry,
  type Connection,
  type ConnectionState,
  type DurableConfig,
  type EventStream,
  type EventToPublish,
  type Fence,
  type GatherWait,
  type Message,
  type Storage,
  type StreamConfig,
  type StreamMessage,
  type StreamReplicas,
  type Subscription,
  type WatchPasses,
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

interface StoredBucket {
  incarnation: number;
  revision: number;
  entries: Map<string, BucketEntry>;
}

interface StoredStream {
  created: string;
  subjects: string[];
  messages: StreamMessage[];
  ids: Map<string, { sequence: number; at: number }>;
  sequence: number;
  durables: Map<string, DurableConfig>;
}

/** A broker that any number of connections share. It is up from the start. */
export class FakeBroker {
  readonly clock: Clock;
  /** A function that is called before each operation on the store. If it returns a fault, the operation fails. */
  storeFault: ((operation: StoreOperation, key: string) => StoreFault | undefined) | undefined;
  /** A function that is called for each message and each answer. If it returns false, the message is lost. */
  deliver: ((subject: string, data: Uint8Array) => boolean) | undefined;
  /** Whether connections hear that the server belongs to a cluster. */
  isClustered = false;
  /** The addresses that it names to its clients. */
  named: readonly string[] = [];
  /** Which servers of the cluster store each stream. */
  readonly replicas = new Map<string, StreamReplicas>();
  /** Whether the cluster does not answer what its servers store. */
  replicasFault = false;
  readonly connections = new Set<FakeConnection>();
  /** Whether its streams take batches of events. */
  takesBatches = true;
  /** Number of other brokers that its clients know, and how often one of them moved to another. */
  otherAddresses = 0;
  moves = 0;
  readonly buckets = new Map<string, StoredBucket>();
  readonly streams = new Map<string, StoredStream>();
  #up = true;
  #incarnations = 0;
  #inboxes = 0;
  readonly #faults: { operation: StoreOperation; fault: StoreFault }[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get up(): boolean {
    return this.#up;
  }

  connect(): FakeConnection {
    return new FakeConnection(this);
  }

  /** Stops the broker as a kill does: every connection is lost and waiting requests fail, but the stored data stays. */
  stop(): void {
    this.#up = false;
    for (const connection of this.connections) connection.drop();
  }

  /** Starts the broker again. Every connection is back, with its subscriptions and watches. */
  start(): void {
    this.#up = true;
    for (const connection of this.connections) connection.regain();
  }

  /** Removes everything that is stored. Connections open their buckets and streams again when they reconnect. */
  wipe(): void {
    this.stop();
    this.buckets.clear();
    this.streams.clear();
  }

  /** Makes the next `operation` fail. Several faults of one operation come one after the other. */
  failNext(operation: StoreOperation, fault: StoreFault): void {
    this.#faults.push({ operation, fault });
  }

  /** Publishes a message without a connection, as from another program. */
  inject(
    subject: string,
    data: Uint8Array | string,
    reply = '',
    headers: Readonly<Record<string, string>> = {},
  ): void {
    this.route(subject, data, reply, headers);
  }

  inbox(): string {
    return `_INBOX.fake.${++this.#inboxes}`;
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

  /** Passes a message to every subscriber, and returns whether there is one. */
  route(
    subject: string,
    data: Uint8Array | string,
    reply: string,
    headers: Readonly<Record<string, string>> = {},
  ): boolean {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : Uint8Array.from(data);
    if (this.deliver?.(subject, bytes) === false) return true;
    for (const stream of this.streams.values()) {
      if (stream.subjects.some(each => matches(each, subject))) this.#store(stream, subject, bytes);
    }
    let received = false;
    // Of the subscribers in one queue, the first that is connected gets the message.
    const queues = new Set<string>();
    for (const connection of this.connections)
      received = connection.receive(subject, bytes, reply, headers, queues) || received;
    return received;
  }

  announce(name: string, entry: BucketEntry): void {
    for (const connection of this.connections) connection.notifyWatchers(name, entry);
  }

  #store(stream: StoredStream, subject: string, data: Uint8Array): void {
    const message = { subject, data, sequence: ++stream.sequence, time: this.clock.now() };
    stream.messages.push(message);
    for (const connection of this.connections) connection.notifyFollowers(stream, message);
  }
}

interface Watcher {
  bucket: string;
  fn: (entry: BucketEntry) => void;
  passes: WatchPasses | undefined;
  incarnation: number;
  stopped: boolean;
}

interface Follower {
  config: StreamConfig;
  filter: string;
  fn: (message: StreamMessage) => void;
  stream: StoredStream | undefined;
  last: number;
  /** The sequence after which it begins, in the stream that it follows first. */
  after: number;
  since: Date | undefined;
}

export class FakeConnection implements Connection {
  readonly #broker: FakeBroker;
  #state: ConnectionState = { kind: 'connecting' };
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  readonly #subscriptions = new Set<{
    subject: string;
    handler: (message: Message) => void;
    queue: string | undefined;
  }>();
  readonly #requests = new Map<string, { answer: (m: Message) => void; fail: (e: BrokerError) => void }>();
  readonly #losses = new Set<() => void>();
  readonly #watchers = new Set<Watcher>();
  readonly #followers = new Set<Follower>();
  readonly #open = { buckets: new Set<string>(), streams: new Map<string, StreamConfig>() };
  /** Says whether the broker permits a subject. The subjects that it did not permit are in `violations`. */
  permits: (subject: string) => boolean = () => true;
  readonly violations: string[] = [];

  constructor(broker: FakeBroker) {
    this.#broker = broker;
    broker.connections.add(this);
    if (broker.up) this.regain();
    else this.drop();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get #connected(): boolean {
    return this.#state.kind === 'connected';
  }

  /** Loses this connection, but no other. */
  drop(): void {
    if (this.#state.kind === 'closed' || this.#state.kind === 'disconnected') return;
    this.#losses.forEach(lose => {
      lose();
    });
    for (const request of this.#requests.values())
      request.fail(new BrokerError('disconnected', 'the connection was lost'));
    this.#requests.clear();
    const since = this.#broker.clock.monotonic();
    this.#change({
      kind: 'disconnected',
      fault: 'unreachable',
      reason: 'the broker at fake:// is stopped',
      since,
    });
  }

  /** Connects again. Each watch begins another pass, and each follower continues where it was. */
  regain(): void {
    if (this.#state.kind === 'closed' || this.#connected) return;
    for (const name of this.#open.buckets) this.#broker.openBucket(name);
    for (const config of this.#open.streams.values()) this.#broker.openStream(config);
    for (const { subject } of this.#subscriptions) this.#isPermitted(subject);
    const { isClustered } = this.#broker;
    this.#change({
      kind: 'connected',
      server: 'fake://',
      version: '2.12.0',
      isEncrypted: false,
      isClustered,
    });
    for (const watcher of this.#watchers) this.#pass(watcher);
    for (const follower of this.#followers) this.#catchUp(follower);
  }

  named(): readonly string[] {
    return this.#connected ? this.#broker.named : [];
  }

  onState(fn: (state: ConnectionState) => void): Subscription {
    this.#listeners.add(fn);
    return { unsubscribe: () => void this.#listeners.delete(fn) };
  }

  connected(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!this.#connected && this.#state.kind !== 'closed' && !signal?.aborted) return;
        listener.unsubscribe();
        signal?.removeEventListener('abort', check);
        if (this.#connected && !signal?.aborted) resolve();
        else reject(new BrokerError('disconnected', 'not connected'));
      };
      const listener = this.onState(check);
      signal?.addEventListener('abort', check, { once: true });
      check();
    });
  }

  publish(subject: string, data: Uint8Array | string): boolean {
    if (!this.#connected) return false;
    // The broker says only later that it does not permit a message.
    if (this.#isPermitted(subject)) this.#broker.route(subject, data, '');
    return true;
  }

  #isPermitted(subject: string): boolean {
    if (this.permits(subject)) return true;
    this.violations.push(subject);
    return false;
  }

  request(subject: string, data: Uint8Array | string, timeout: number, reply?: string): Promise<Message> {
    return new Promise((resolve, reject) => {
      if (!this.#connected) return reject(new BrokerError('disconnected', 'not connected'));
      const inbox = reply ?? this.#broker.inbox();
      const settle = () => {
        timer.cancel();
        this.#requests.delete(inbox);
      };
      const fail = (error: BrokerError) => {
        settle();
        reject(error);
      };
      const timer = this.#broker.clock.after(timeout, () =>
        fail(new BrokerError('timeout', `no answer on ${subject} within ${timeout} ms`)),
      );
      this.#requests.set(inbox, {
        fail,
        answer: message => {
          settle();
          resolve(message);
        },
      });
      if (!this.#isPermitted(subject))
        queueMicrotask(() => fail(new BrokerError('not_permitted', `not permitted: ${subject}`)));
      else if (!this.#broker.route(subject, data, inbox))
        queueMicrotask(() => fail(new BrokerError('no_responders', `nobody listens on ${subject}`)));
    });
  }

  gather(
    subject: string,
    data: Uint8Array | string,
    wait: GatherWait,
    onAnswer: (message: Message) => boolean,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#connected) return reject(new BrokerError('disconnected', 'not connected'));
      const inbox = this.#broker.inbox();
      const settle = (error?: BrokerError) => {
        timer.cancel();
        subscription.unsubscribe();
        if (error) reject(error);
        else resolve();
      };
      const { clock } = this.#broker;
      const subscription = this.subscribe(inbox, message => {
        if (onAnswer(message)) return settle();
        timer.cancel();
        timer = clock.after(wait.nextMs, settle);
      });
      let timer = clock.after(wait.firstMs, () =>
        settle(new BrokerError('timeout', `no answer on ${subject} came`)),
      );
      if (!this.#broker.route(subject, data, inbox))
        queueMicrotask(() => settle(new BrokerError('no_responders', `nobody listens on ${subject}`)));
    });
  }

  subscribe(subject: string, handler: (message: Message) => void, queue?: string): Subscription {
    const subscription = { subject, handler, queue };
    this.#subscriptions.add(subscription);
    if (this.#connected) this.#isPermitted(subject);
    return { unsubscribe: () => void this.#subscriptions.delete(subscription) };
  }

  async flush(): Promise<void> {
    await null;
    if (!this.#connected) throw new BrokerError('disconnected', 'not connected');
  }

  async storage(): Promise<Storage> {
    return {
      bucket: config => this.#bucket(config),
      stream: config => this.#stream(config),
      reopen: async () => false,
      readAgain: () => undefined,
      replicas: async stream => {
        if (!this.#connected) throw new BrokerError('disconnected', 'not connected');
        if (this.#broker.replicasFault) throw new BrokerError('timeout', 'no answer (planned)');
        return this.#broker.isClustered ? this.#broker.replicas.get(stream) : undefined;
      },
    };
  }

  reconnect(afterMs = 0): void {
    this.drop();
    const regain = () => {
      if (this.#broker.up) this.regain();
    };
    if (afterMs > 0) this.#broker.clock.after(afterMs, regain);
    else regain();
  }

  moveOn(afterMs: number): boolean {
    if (!this.#connected || this.#broker.otherAddresses === 0) return false;
    this.#broker.moves++;
    this.reconnect(afterMs);
    return true;
  }

  standBy(maxMs: number): void {
    this.reconnect(maxMs);
  }

  async close(): Promise<void> {
    if (this.#state.kind === 'closed') return;
    for (const request of this.#requests.values()) request.fail(new BrokerError('disconnected', 'closed'));
    this.#subscriptions.clear();
    this.#watchers.clear();
    this.#followers.clear();
    this.#change({ kind: 'closed' });
    this.#broker.connections.delete(this);
  }

  /** Takes a message from the broker, and returns whether anyone receives it. Only the broker calls this. */
  receive(
    subject: string,
    data: Uint8Array,
    reply: string,
    headers: Readonly<Record<string, string>>,
    queues: Set<string>,
  ): boolean {
    if (!this.#connected) return false;
    const message: Message = {
      subject,
      data,
      reply,
      header: name => headers[name] ?? '',
      respond: answer => reply !== '' && !reply.startsWith('$') && this.publish(reply, answer),
    };
    const waiting = this.#requests.get(subject);
    if (waiting) queueMicrotask(() => waiting.answer(message));
    let received = waiting !== undefined;
    for (const each of this.#subscriptions) {
      if (!matches(each.subject, subject)) continue;
      const queue = each.queue && `${each.queue} ${each.subject}`;
      if (queue && queues.has(queue)) continue;
      if (queue) queues.add(queue);
      received = true;
      queueMicrotask(() => {
        if (this.#connected && this.#subscriptions.has(each)) each.handler(message);
      });
    }
    return received;
  }

  notifyWatchers(bucket: string, entry: BucketEntry): void {
    if (!this.#connected) return;
    for (const watcher of this.#watchers) {
      if (watcher.bucket === bucket) this.#later(() => !watcher.stopped && watcher.fn(entry));
    }
  }

  notifyFollowers(stream: StoredStream, message: StreamMessage): void {
    if (!this.#connected) return;
    for (const follower of this.#followers) {
      if (follower.stream === stream && matches(follower.filter, message.subject))
        this.#deliver(follower, message);
    }
  }

  async #bucket(config: BucketConfig): Promise<Bucket> {
    const { name } = config;
    await this.#operate('bucket', name, () => this.#broker.openBucket(name));
    this.#open.buckets.add(name);
    const write = (key: string, value: Uint8Array, revision: number, marker?: Record<string, string>) => {
      const bucket = this.#broker.openBucket(name);
      const newest = bucket.entries.get(key)?.revision ?? 0;
      if (newest !== revision)
        throw new BrokerError(
          'revision_conflict',
          `${name}/${key} is at revision ${newest}, not ${revision}`,
        );
      const entry: BucketEntry = {
        key,
        value: marker ? new Uint8Array() : Uint8Array.from(value),
        revision: ++bucket.revision,
        marker: marker !== undefined,
        headers: { ...marker },
        created: this.#broker.clock.now(),
      };
      // The old entry is deleted first, so that the map has the order of the revisions, as a stream does.
      bucket.entries.delete(key);
      bucket.entries.set(key, entry);
      this.#broker.announce(name, entry);
      return entry.revision;
    };
    return {
      state: () =>
        this.#operate('state', name, () => {
          const { incarnation, revision, entries } = this.#broker.openBucket(name);
          return { created: String(incarnation), lastRevision: revision, keys: entries.size };
        }),
      get: key => this.#operate('get', key, () => this.#broker.openBucket(name).entries.get(key)),
      put: (key, value, revision) => this.#operate('put', key, () => write(key, value, revision)),
      purge: (key, revision, headers) =>
        this.#operate('purge', key, () => write(key, new Uint8Array(), revision, headers)),
      remove: (key, revision) =>
        this.#operate('remove', key, () => {
          const { entries } = this.#broker.openBucket(name);
          if ((entries.get(key)?.revision ?? 0) <= revision) entries.delete(key);
        }),
      watch: (onEntry, passes) =>
        this.#operate('watch', name, () => {
          const fn = (entry: BucketEntry) => {
            if ((passes?.prefixes ?? ['']).some(prefix => entry.key.startsWith(prefix))) onEntry(entry);
          };
          const watcher: Watcher = { bucket: name, fn, passes, incarnation: 0, stopped: false };
          this.#watchers.add(watcher);
          const ready = this.#pass(watcher);
          const stop = () => {
            watcher.stopped = true;
            this.#watchers.delete(watcher);
          };
          return { ready, stop, restart: () => void this.#pass(watcher) };
        }),
    };
  }

  async #stream(config: StreamConfig): Promise<EventStream> {
    await this.#operate('stream', config.name, () => this.#broker.openStream(config));
    this.#open.streams.set(config.name, config);
    return {
      publish: (subject, data, id, fence) =>
        this.#operate('publish', subject, () => {
          const stream = this.#broker.openStream(config);
          checkFence(stream, fence);
          const known = this.#knownEvent(stream, { subject, data, id });
          if (known) return { sequence: known, duplicate: true };
          return { sequence: this.#storeEvent(stream, { subject, data, id }), duplicate: false };
        }),
      publishBatch: (events, fence) =>
        this.#operate('publish', events.map(({ subject }) => subject).join(' '), () => {
          const stream = this.#broker.openStream(config);
          if (!this.#broker.takesBatches) return undefined;
          checkFence(stream, fence);
          const ids = new Set(events.map(({ id }) => id));
          if (ids.size < events.length || events.some(event => this.#knownEvent(stream, event)))
            return undefined;
          return events.map(event => this.#storeEvent(stream, event)).at(-1);
        }),
      fill: () =>
        this.#operate('fill', config.name, () => {
          const stream = this.#broker.openStream(config);
          const bytes = stream.messages.reduce((sum, { data }) => sum + data.length, 0);
          const isTrimmed = stream.messages.length < stream.sequence;
          const { created } = stream;
          return { created, bytes, maxBytes: config.maxBytes, lastSequence: stream.sequence, isTrimmed };
        }),
      newest: subject =>
        this.#operate('newest', subject, () =>
          this.#broker.openStream(config).messages.findLast(message => message.subject === subject),
        ),
      oldest: filter =>
        this.#operate('oldest', filter, () =>
          this.#broker.openStream(config).messages.find(({ subject }) => matches(filter, subject)),
        ),
      removeBefore: (filter, sequence) =>
        this.#operate('removeBefore', filter, () => {
          const stream = this.#broker.openStream(config);
          const { length } = stream.messages;
          stream.messages = stream.messages.filter(
            message => message.sequence >= sequence || !matches(filter, message.subject),
          );
          return length - stream.messages.length;
        }),
      durables: prefix =>
        this.#operate('durables', prefix, () => {
          const { durables } = this.#broker.openStream(config);
          const names = [...durables.keys()].filter(name => name.startsWith(prefix));
          return names.map(name => ({ name, unread: 0, unacknowledged: 0, delivered: 0 }));
        }),
      ensureDurable: durable =>
        this.#operate('ensureDurable', durable.name, () => {
          const { durables } = this.#broker.openStream(config);
          if (!durables.has(durable.name)) durables.set(durable.name, durable);
        }),
      removeDurable: name =>
        this.#operate('removeDurable', name, () => {
          this.#broker.openStream(config).durables.delete(name);
        }),
      lastPerSubject: (filters, fn) =>
        this.#operate('last', filters.join(' '), () => {
          const last = new Map<string, StreamMessage>();
          for (const message of this.#broker.openStream(config).messages) {
            if (!filters.some(each => matches(each, message.subject))) continue;
            last.delete(message.subject);
            last.set(message.subject, message);
          }
          last.forEach(message => {
            fn(message);
          });
        }),
      follow: ({ filter, since, after = 0 }, fn) =>
        this.#operate('follow', filter, () => {
          const follower: Follower = { config, filter, fn, stream: undefined, last: 0, after, since };
          this.#followers.add(follower);
          const ready = this.#catchUp(follower);
          return { ready, stop: () => void this.#followers.delete(follower) };
        }),
    };
  }

  /** Returns the sequence under which the event is stored already. */
  #knownEvent(stream: StoredStream, { subject, data, id }: EventToPublish): number | undefined {
    const known = stream.ids.get(id);
    if (!known || this.#broker.clock.monotonic() - known.at >= 120_000) return undefined;
    const isSame = (message: StreamMessage) =>
      message.sequence === known.sequence &&
      message.subject === subject &&
      Buffer.from(data).equals(message.data);
    return stream.messages.some(isSame) ? known.sequence : undefined;
  }

  #storeEvent(stream: StoredStream, { subject, data, id }: EventToPublish): number {
    this.#broker.route(subject, data, '');
    stream.ids.set(id, { sequence: stream.sequence, at: this.#broker.clock.monotonic() });
    return stream.sequence;
  }

  #pass(watcher: Watcher): Promise<void> {
    const bucket = this.#broker.openBucket(watcher.bucket);
    const lost = watcher.incarnation !== 0 && watcher.incarnation !== bucket.incarnation;
    watcher.incarnation = bucket.incarnation;
    const entries = [...bucket.entries.values()];
    return new Promise(resolve =>
      this.#later(() => {
        if (watcher.stopped) return;
        watcher.passes?.begin?.({ lost });
        for (const entry of entries) watcher.fn(entry);
        watcher.passes?.complete?.();
        resolve();
      }),
    );
  }

  #catchUp(follower: Follower): Promise<void> {
    const stream = this.#broker.openStream(follower.config);
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
    return new Promise(resolve => this.#later(resolve));
  }

  #deliver(follower: Follower, message: StreamMessage): void {
    follower.last = message.sequence;
    this.#later(() => this.#followers.has(follower) && follower.fn(message));
  }

  #later(fn: () => unknown): void {
    queueMicrotask(() => void fn());
  }

  /**
   * Runs one operation on the store. It ends a moment later. It fails when a fault was planned, or when the connection is
   * lost.
   */
  async #operate<T>(operation: StoreOperation, key: string, apply: () => T): Promise<T> {
    await null;
    if (!this.#connected) throw new BrokerError('disconnected', 'not connected');
    const planned = this.#broker.takeFault(operation, key);
    if (!planned) return apply();
    if (planned.applied) apply();
    if (planned.fault === 'timeout') await this.#wait(5_000);
    throw new BrokerError(planned.fault, `${operation} ${key}: ${planned.fault} (planned)`);
  }

  async #wait(ms: number): Promise<void> {
    const abort = new AbortController();
    const lose = () => abort.abort();
    this.#losses.add(lose);
    await sleep(this.#broker.clock, ms, abort.signal);
    this.#losses.delete(lose);
    if (abort.signal.aborted) throw new BrokerError('disconnected', 'the connection was lost');
  }

  #change(state: ConnectionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function checkFence({ messages }: StoredStream, fence: Fence | undefined): void {
  const mark = messages.findLast(message => message.subject === fence?.subject);
  if (fence && (mark?.sequence ?? 0) !== fence.sequence)
    throw new BrokerError('revision_conflict', `wrong last sequence: ${mark?.sequence}`);
}

/** Returns whether `pattern`, which may contain `*` and end in `>`, matches `subject`. */
function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}
