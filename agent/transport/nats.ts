// The connection to the broker is made in the background, and again whenever the link is lost.
import type {
  NatsConnection as Link,
  Subscription as LinkSubscription,
  Msg,
  MsgHdrs,
  RequestOptions,
} from 'nats';
import { createInbox } from 'nats';
import { errnoOf, reasonOf } from '../system/errors.ts';
import { type LimitedLog, limitedLog } from '../system/limited-log.ts';
import type { StorageConnection } from './jetstream.ts';
import { type LinkOptions, maintainLink, prefixOf } from './link.ts';
import { Pause } from './pause.ts';
import {
  BrokerError,
  type BrokerFault,
  type ConnectionState,
  type CopyingConnection,
  type GatherWait,
  type Message,
  type Storage,
  type StreamCopies,
  type Subscription,
} from './port.ts';
import { type Server, serverSource } from './server.ts';

export interface ConnectionOptions extends LinkOptions {
  /** The addresses of the brokers, such as `nats://host:port`; a function is called at each attempt. */
  servers: readonly string[] | (() => readonly string[]);
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
  const { servers } = options;
  const find = serverSource(typeof servers === 'function' ? servers : () => servers);
  find();
  return new NatsConnection(options, find);
}

/** A subscription of a role. It is made again on each new link. */
interface RoleSubscription {
  subject: string;
  handler: (message: Message) => void;
  /** The subscription on the present link. */
  onLink: LinkSubscription | undefined;
}

class NatsConnection implements CopyingConnection, StorageConnection {
  readonly storeTimeoutMs: number;
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  readonly #stateListeners = new Set<(state: ConnectionState) => void>();
  readonly #linkListeners = new Set<(link: Link | undefined) => void>();
  readonly #subscriptions = new Set<RoleSubscription>();
  readonly #limitedLog: LimitedLog;
  readonly #pause: Pause;
  #state: ConnectionState = { kind: 'connecting' };
  #link: Link | undefined;
  /** A link that is only kept until the broker ends it. */
  #standby: Link | undefined;
  #storage: Promise<Storage> | undefined;

  constructor(options: ConnectionOptions, servers: () => readonly Server[]) {
    this.#options = options;
    this.storeTimeoutMs = options.storeTimeoutMs ?? 5_000;
    this.#limitedLog = limitedLog(options.log, options.clock);
    const callbacks = {
      onUp: (link: Link, state: ConnectionState) => this.#useLink(link, state),
      onDown: (state: ConnectionState) => this.#setState(state, undefined),
    };
    this.#pause = new Pause(options.clock, this.#closing.signal);
    void maintainLink(options, servers, callbacks, this.#pause, this.#closing.signal);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get closed(): boolean {
    return this.#state.kind === 'closed';
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
    return this.#toMessage(await this.#ask(subject, data, { timeout: timeoutMs, ...to }));
  }

  gather(
    subject: string,
    data: Uint8Array | string,
    wait: GatherWait,
    onAnswer: (message: Message) => boolean,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const { link } = this;
      if (!link) return reject(this.#disconnectedError());
      const inbox = createInbox(prefixOf(this.#options.inboxPrefix));
      const settle = (error?: BrokerError) => {
        timer.cancel();
        lost.unsubscribe();
        subscription.unsubscribe();
        if (error) reject(error);
        else resolve();
      };
      const { clock } = this.#options;
      let timer = clock.after(wait.firstMs, () =>
        settle(new BrokerError('timeout', `no answer on ${subject} within ${wait.firstMs} ms`)),
      );
      // Who asks as soon as the link is there is still told of that link itself.
      const lost = this.onLink(now => {
        if (now !== link) settle(this.#disconnectedError());
      });
      const callback = (error: Error | null, message: Msg) => {
        if (error ?? message.headers?.code === 503)
          return settle(new BrokerError('no_responders', `nobody listens on ${subject}`));
        try {
          if (onAnswer(this.#toMessage(message))) return settle();
          timer.cancel();
          timer = clock.after(wait.nextMs, settle);
        } catch (cause) {
          settle(new BrokerError('refused', `an answer on ${subject} cannot be read`, { cause }));
        }
      };
      const subscription = link.subscribe(inbox, { callback });
      link.publish(subject, data, { reply: inbox });
    });
  }

  requestRaw(subject: string, data: Uint8Array | string, timeoutMs: number, headers?: MsgHdrs): Promise<Msg> {
    return this.#ask(subject, data, { timeout: timeoutMs, ...(headers ? { headers } : {}) });
  }

  async #ask(subject: string, data: Uint8Array | string, options: RequestOptions): Promise<Msg> {
    const { link } = this;
    if (!link) throw this.#disconnectedError();
    if (!isSubject(subject)) throw new BrokerError('refused', 'the subject is empty or holds blanks');
    try {
      return await link.request(subject, data, options);
    } catch (error) {
      throw explainRequestFailure(error, link, subject, options.timeout);
    }
  }

  subscribe(subject: string, handler: (message: Message) => void): Subscription {
    if (!isSubject(subject)) throw new BrokerError('refused', 'the subject is empty or holds blanks');
    const subscription: RoleSubscription = { subject, handler, onLink: undefined };
    this.#subscriptions.add(subscription);
    if (this.link) this.#subscribeOn(this.link, subscription);
    return {
      unsubscribe: () => {
        this.#subscriptions.delete(subscription);
        subscription.onLink?.unsubscribe();
      },
    };
  }

  flush(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { link } = this;
      if (!link) return reject(this.#disconnectedError());
      const finish = (error?: BrokerError) => {
        timer.cancel();
        linkListener.unsubscribe();
        if (error) reject(error);
        else resolve();
      };
      const timer = this.#options.clock.after(timeoutMs, () =>
        finish(new BrokerError('timeout', `the broker did not answer a ping within ${timeoutMs} ms`)),
      );
      const linkListener = this.onLink(() => finish(this.#disconnectedError()));
      link.flush().then(
        () => finish(),
        () => finish(this.#disconnectedError()),
      );
    });
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
    for (const subscription of this.#subscriptions) this.#subscribeOn(link, subscription);
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

  #subscribeOn(link: Link, subscription: RoleSubscription): void {
    const { subject, handler } = subscription;
    const callback = (error: Error | null, message: Msg) => {
      // The error of a denied permission also arrives here. It is logged elsewhere, from the status of the link.
      if (error) return;
      try {
        handler(this.#toMessage(message));
      } catch (err) {
        // If the error reached the client, the client would stop reading, and the link would end.
        this.#limitedLog.warn(
          `handler ${subject}`,
          { subject: message.subject, err },
          'a message could not be handled',
        );
      }
    };
    subscription.onLink = link.subscribe(subject, { callback });
  }

  #toMessage(message: Msg): Message {
    const reply = message.reply ?? '';
    return {
      subject: message.subject,
      data: message.data,
      reply,
      header: name => message.headers?.get(name) ?? '',
      // No inbox begins with $. With such a reply subject we would write to the broker's own API or store.
      respond: data => reply !== '' && !reply.startsWith('$') && this.publish(reply, data),
    };
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

// Returns whether a text can be a subject. In the NATS protocol a blank or a line break would begin another field or
// command.
const isSubject = (subject: string) => subject !== '' && !/[\s\u0000-\u001f\u007f]/.test(subject);

function explainRequestFailure(error: unknown, link: Link, subject: string, timeoutMs: number): BrokerError {
  const [fault, message]: [BrokerFault, string] = link.isClosed()
    ? ['disconnected', `the broker was lost before it answered on ${subject}`]
    : errnoOf(error) === '503'
      ? ['no_responders', `nobody listens on ${subject}`]
      : errnoOf(error) === 'TIMEOUT'
        ? ['timeout', `no answer on ${subject} within ${timeoutMs} ms`]
        : errnoOf(error) === 'PERMISSIONS_VIOLATION'
          ? ['not_permitted', `the broker does not let us ask on ${subject}`]
          : ['refused', `the broker refused a request on ${subject}: ${reasonOf(error)}`];
  return new BrokerError(fault, message, { cause: error });
}
