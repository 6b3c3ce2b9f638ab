// The connection to the broker is made in the background, and again whenever the link is lost.
import type { NatsConnection as Link, Msg, MsgHdrs } from 'nats';
import { reasonOf } from '../system/errors.ts';
import { type LimitedLog, limitedLog } from '../system/limited-log.ts';
import { ClientMessage, isSubject } from './client-message.ts';
import type { StorageConnection } from './jetstream.ts';
import { type LinkOptions, maintainLink, prefixOf } from './link.ts';
import { LinkPace } from './link-pace.ts';
import { LinkQuestions } from './link-questions.ts';
import { readNamedServers } from './named-servers.ts';
import { Pause } from './pause.ts';
import {
  BrokerError,
  type ConnectionState,
  type CopyingConnection,
  type GatherWait,
  type Message,
  type MessageSubscription,
  type Storage,
  type StreamCopies,
  type Subscription,
} from './port.ts';
import { RoleSubscriptions } from './role-subscriptions.ts';
import { ServerTurns } from './server-turns.ts';

export interface ConnectionOptions extends LinkOptions {
  /** The addresses of the brokers, such as `nats://host:port`; a function is called at each attempt. */
  servers: readonly string[] | (() => readonly string[]);
  /** Returns the addresses of brokers that were learned. They are tried after those of `servers`. */
  learned?: (() => readonly string[]) | undefined;
  /** Time that the broker has for one operation on its store, in milliseconds; 5 s by default. */
  storeTimeoutMs?: number;
  /** The level at which a subject that the broker does not permit is logged; `warn` by default. */
  denialLevel?: 'warn' | 'debug';
}

/**
 * Returns a connection at once. It connects in the background until it is closed. @throws MusterError `bad_config` when
 * one of the servers is not an address.
 */
export function connect(options: ConnectionOptions): CopyingConnection {
  const { servers, learned = () => [], random } = options;
  const turns = new ServerTurns(typeof servers === 'function' ? servers : () => servers, learned, random);
  return new NatsConnection(options, turns);
}

class NatsConnection implements CopyingConnection, StorageConnection {
  readonly storeTimeoutMs: number;
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  readonly #stateListeners = new Set<(state: ConnectionState) => void>();
  readonly #linkListeners = new Set<(link: Link | undefined) => void>();
  readonly #subscriptions: RoleSubscriptions;
  readonly #questions: LinkQuestions;
  readonly #limitedLog: LimitedLog;
  readonly #pause: Pause;
  readonly #pace: LinkPace;
  readonly #turns: ServerTurns;
  // This is done for each message, so the functions are made once.
  readonly #answer = (subject: string, data: Uint8Array | string): boolean => this.publish(subject, data);
  readonly #toMessage = (message: Msg): Message => new ClientMessage(message, this.#answer);
  #state: ConnectionState = { kind: 'connecting' };
  #link: Link | undefined;
  /** A link that is only kept until the broker ends it. */
  #standby: Link | undefined;
  #storage: Promise<Storage> | undefined;

  constructor(options: ConnectionOptions, turns: ServerTurns) {
    this.#options = options;
    this.#turns = turns;
    this.storeTimeoutMs = options.storeTimeoutMs ?? 5_000;
    this.#limitedLog = limitedLog(options.log, options.clock);
    this.#subscriptions = new RoleSubscriptions(this.#toMessage, this.#limitedLog);
    this.#pace = new LinkPace(options.clock);
    this.#questions = new LinkQuestions({
      link: () => this.link,
      onLink: fn => this.onLink(fn),
      disconnectedError: () => this.#disconnectedError(),
      inboxPrefix: () => prefixOf(options.inboxPrefix),
      clock: options.clock,
      hurry: () => this.hurry(),
    });
    const callbacks = {
      onUp: (link: Link, state: ConnectionState) => this.#useLink(link, state),
      onDown: (state: ConnectionState) => this.#setState(state, undefined),
    };
    this.#pause = new Pause(options.clock, this.#closing.signal);
    void maintainLink(options, turns, callbacks, this.#pause, this.#pace, this.#closing.signal);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get closed(): boolean {
    return this.#state.kind === 'closed';
  }

  get isClustered(): boolean {
    return this.#state.kind === 'connected' && this.#state.isClustered === true;
  }

  get link(): Link | undefined {
    return this.#link?.isClosed() ? undefined : this.#link;
  }

  onState(fn: (state: ConnectionState) => void): Subscription {
    this.#stateListeners.add(fn);
    return { unsubscribe: () => void this.#stateListeners.delete(fn) };
  }

  onLink(fn: (link: Link | undefined) => void): Subscription {
    this.#linkListeners.add(fn);
    return { unsubscribe: () => void this.#linkListeners.delete(fn) };
  }

  connected(signal?: AbortSignal): Promise<void> {
    if (this.#state.kind === 'connected' && !signal?.aborted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settleIfDecided = () => {
        const { kind } = this.#state;
        if (kind !== 'connected' && kind !== 'closed' && !signal?.aborted) return;
        listener.unsubscribe();
        signal?.removeEventListener('abort', settleIfDecided);
        if (kind === 'connected' && !signal?.aborted) resolve();
        else reject(this.#disconnectedError());
      };
      const listener = this.onState(settleIfDecided);
      signal?.addEventListener('abort', settleIfDecided, { once: true });
      settleIfDecided();
    });
  }

  named(): readonly string[] {
    return readNamedServers(this.link?.info?.connect_urls);
  }

  publish(subject: string, data: Uint8Array | string): boolean {
    const { link } = this;
    if (!link || !isSubject(subject)) return false;
    try {
      link.publish(subject, data);
      return true;
    } catch (err) {
      this.#limitedLog.warn(`publish ${reasonOf(err)}`, { subject, err }, 'cannot publish');
      return false;
    }
  }

  async request(
    subject: string,
    data: Uint8Array | string,
    timeoutMs: number,
    reply?: string,
  ): Promise<Message> {
    const to = reply === undefined ? {} : { noMux: true, reply };
    return this.#toMessage(await this.#questions.ask(subject, data, { timeout: timeoutMs, ...to }));
  }

  gather(
    subject: string,
    data: Uint8Array | string,
    wait: GatherWait,
    onAnswer: (message: Message) => boolean,
  ): Promise<void> {
    return this.#questions.gather(subject, data, wait, message => onAnswer(this.#toMessage(message)));
  }

  requestRaw(subject: string, data: Uint8Array | string, timeoutMs: number, headers?: MsgHdrs): Promise<Msg> {
    return this.#questions.ask(subject, data, { timeout: timeoutMs, ...(headers ? { headers } : {}) });
  }

  subscribe(subject: string, handler: (message: Message) => void, queue?: string): MessageSubscription {
    if (!isSubject(subject)) throw new BrokerError('refused', 'the subject is empty or holds blanks');
    return this.#subscriptions.add({ subject, handler, queue }, this.link);
  }

  hurry(): void {
    this.#pace.hurry();
  }

  flush(timeoutMs: number): Promise<void> {
    return this.#questions.flush(timeoutMs);
  }

  storage(): Promise<Storage> {
    const { clock, random, log } = this.#options;
    this.#storage ??= import('./storage.ts').then(({ openStorage }) =>
      openStorage({ connection: this, clock, random, log }),
    );
    return this.#storage;
  }

  async copies(): Promise<StreamCopies> {
    const { openStreamCopies } = await import('./stream-copy.ts');
    return openStreamCopies(this, this.#options.clock);
  }

  reconnect(afterMs = 0): void {
    this.#pause.begin(afterMs);
    void (this.link ?? this.#standby)?.close();
  }

  moveOn(afterMs: number): boolean {
    if (this.#turns.servers.length < 2 || !this.link) return false;
    this.reconnect(afterMs);
    return true;
  }

  standBy(maxMs: number): void {
    const { clock } = this.#options;
    const { link } = this;
    if (!link) return;
    this.#standby = link;
    this.#pause.expectEnd();
    clock.after(maxMs, () => void link.close());
    const reason = 'waiting to be called back by the requester';
    this.#setState(
      { kind: 'disconnected', fault: 'unreachable', reason, since: clock.monotonic() },
      undefined,
    );
  }

  async close(timeoutMs = 2_000): Promise<void> {
    if (this.#closing.signal.aborted) return;
    // Closing must not fail. Messages that cannot be sent in time are lost with the link.
    if (this.link) await this.flush(timeoutMs).catch(() => undefined);
    this.#subscriptions.clear();
    // This also ends the link.
    this.#closing.abort();
    this.#setState({ kind: 'closed' }, undefined);
  }

  #useLink(link: Link, state: ConnectionState): void {
    this.#standby = undefined;
    void this.#logDenials(link);
    this.#subscriptions.makeOn(link);
    this.#setState(state, link);
  }

  // Logs denials. When the broker does not permit a publication or a subscription, the client reports it in its status.
  async #logDenials(link: Link): Promise<void> {
    for await (const status of link.status()) {
      if (!status.permissionContext) continue;
      const { operation, subject } = status.permissionContext;
      const text = 'the broker does not permit this';
      if (this.#options.denialLevel === 'debug') this.#options.log.debug({ subject, operation }, text);
      else this.#limitedLog.warn(`${operation} ${subject}`, { subject, operation }, text);
    }
  }

  #setState(state: ConnectionState, link: Link | undefined): void {
    this.#state = state;
    this.#link = link;
    for (const listener of [...this.#stateListeners]) {
      try {
        listener(state);
      } catch (err) {
        this.#options.log.error({ err }, 'a listener to the connection failed');
      }
    }
    for (const listener of [...this.#linkListeners]) listener(link);
  }

  #disconnectedError(): BrokerError {
    const state = this.#state;
    if (state.kind === 'closed')
      return new BrokerError('disconnected', 'the connection to the broker is closed');
    return new BrokerError(
      'disconnected',
      state.kind === 'disconnected' ? state.reason : 'not connected to the broker yet',
    );
  }
}
