// Implements transport/port.ts with a broker in memory and connections to it. A test can make each operation fail.
import { sleep } from '../../agent/system/clock.ts';
import {
  BrokerError,
  type BucketEntry,
  type Connection,
  type ConnectionState,
  type GatherWait,
  type Message,
  type MessageSubscription,
  type Storage,
  type StreamMessage,
  type StreamReplicas,
  type Subscription,
} from '../../agent/transport/port.ts';
import { FakeBuckets } from './fake-buckets.ts';
import {
  FakeStore,
  matches,
  type StoreAccess,
  type StoredStream,
  type StoreOperation,
} from './fake-store.ts';
import { FakeStreams } from './fake-streams.ts';

/** A subscription that never gets a message. */
export const noSubscription: MessageSubscription = {
  unsubscribe: () => undefined,
  finish: async () => undefined,
};

/** A broker that any number of connections share. It is up from the start. */
export class FakeBroker extends FakeStore {
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
  /** Number of other brokers that its clients know, and how often one of them moved to another. */
  otherAddresses = 0;
  moves = 0;
  #up = true;
  #inboxes = 0;

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
  readonly #buckets: FakeBuckets;
  readonly #streams: FakeStreams;
  /** Says whether the broker permits a subject. The subjects that it did not permit are in `violations`. */
  permits: (subject: string) => boolean = () => true;
  readonly violations: string[] = [];

  constructor(broker: FakeBroker) {
    this.#broker = broker;
    const access: StoreAccess = {
      store: broker,
      operate: (operation, key, apply) => this.#operate(operation, key, apply),
    };
    this.#buckets = new FakeBuckets(access);
    this.#streams = new FakeStreams(access);
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
    this.#buckets.reopen();
    this.#streams.reopen();
    for (const { subject } of this.#subscriptions) this.#isPermitted(subject);
    const { isClustered } = this.#broker;
    this.#change({
      kind: 'connected',
      server: 'fake://',
      version: '2.12.0',
      isEncrypted: false,
      isClustered,
    });
    this.#buckets.resume();
    this.#streams.resume();
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

  subscribe(subject: string, handler: (message: Message) => void, queue?: string): MessageSubscription {
    const subscription = { subject, handler, queue };
    this.#subscriptions.add(subscription);
    if (this.#connected) this.#isPermitted(subject);
    const unsubscribe = () => void this.#subscriptions.delete(subscription);
    return { unsubscribe, finish: async () => unsubscribe() };
  }

  async flush(): Promise<void> {
    await null;
    if (!this.#connected) throw new BrokerError('disconnected', 'not connected');
  }

  async storage(): Promise<Storage> {
    return {
      bucket: config => this.#buckets.open(config),
      stream: config => this.#streams.open(config),
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
    this.#buckets.close();
    this.#streams.close();
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
      subjectBytes: Buffer.from(subject),
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
    if (this.#connected) this.#buckets.notify(bucket, entry);
  }

  notifyFollowers(stream: StoredStream, message: StreamMessage): void {
    if (this.#connected) this.#streams.notify(stream, message);
  }

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
