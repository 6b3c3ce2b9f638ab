// The connection to the broker: made for ever in the background, and made again whenever it is lost.
import type { NatsConnection as Link, Subscription as LinkSubscription, Msg, MsgHdrs } from 'nats';
import { errnoOf, reasonOf } from '../system/errors.ts';
import { type LimitedLog, limitedLog } from '../system/limited-log.ts';
import type { Wire } from './jetstream.ts';
import { keepLink, type LinkOptions } from './link.ts';
import {
  BrokerError,
  type BrokerFault,
  type Connection,
  type ConnectionState,
  type Message,
  type Storage,
  type Subscription,
} from './port.ts';
import { parseServers, type Server } from './server.ts';

export interface ConnectionOptions extends LinkOptions {
  /** `nats://host:port` or `tls://host:port`. */
  servers: readonly string[];
  /** Milliseconds that the broker has to answer one operation on what it stores; 5 s. */
  storeTimeout?: number;
}

/**
 * Returns at once; connects in the background until closed.
 * @throws MusterError `bad_config` when an address is none.
 */
export function connect(options: ConnectionOptions): Connection {
  return new NatsConnection(options, parseServers(options.servers));
}

interface Listening {
  subject: string;
  handler: (message: Message) => void;
  live: LinkSubscription | undefined;
}

class NatsConnection implements Connection, Wire {
  readonly storeTimeout: number;
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  readonly #linkListeners = new Set<(link: Link | undefined) => void>();
  readonly #subscriptions = new Set<Listening>();
  readonly #limitedLog: LimitedLog;
  #state: ConnectionState = { kind: 'connecting' };
  #link: Link | undefined;
  #storage: Promise<Storage> | undefined;

  constructor(options: ConnectionOptions, servers: Server[]) {
    this.#options = options;
    this.storeTimeout = options.storeTimeout ?? 5_000;
    this.#limitedLog = limitedLog(options.log, options.clock);
    const events = {
      up: (link: Link, state: ConnectionState) => this.#up(link, state),
      down: (state: ConnectionState) => this.#turn(state, undefined),
    };
    void keepLink(options, servers, events, this.#closing.signal);
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
    this.#listeners.add(fn);
    return { unsubscribe: () => void this.#listeners.delete(fn) };
  }

  onLink(fn: (link: Link | undefined) => void): Subscription {
    this.#linkListeners.add(fn);
    return { unsubscribe: () => void this.#linkListeners.delete(fn) };
  }

  connected(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const { kind } = this.#state;
        if (kind !== 'connected' && kind !== 'closed' && !signal?.aborted) return;
        listener.unsubscribe();
        signal?.removeEventListener('abort', look);
        if (kind === 'connected' && !signal?.aborted) resolve();
        else reject(this.#disconnected());
      };
      const listener = this.onState(look);
      signal?.addEventListener('abort', look, { once: true });
      look();
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

  async request(subject: string, data: Uint8Array | string, timeout: number): Promise<Message> {
    return this.#message(await this.ask(subject, data, timeout));
  }

  async ask(subject: string, data: Uint8Array | string, timeout: number, headers?: MsgHdrs): Promise<Msg> {
    const { link } = this;
    if (!link) throw this.#disconnected();
    if (!isSubject(subject)) throw new BrokerError('refused', 'the subject is empty or holds blanks');
    try {
      return await link.request(subject, data, headers ? { timeout, headers } : { timeout });
    } catch (error) {
      throw requestError(error, link, subject, timeout);
    }
  }

  subscribe(subject: string, handler: (message: Message) => void): Subscription {
    if (!isSubject(subject)) throw new BrokerError('refused', 'the subject is empty or holds blanks');
    const listening: Listening = { subject, handler, live: undefined };
    this.#subscriptions.add(listening);
    if (this.link) this.#listen(listening, this.link);
    return {
      unsubscribe: () => {
        this.#subscriptions.delete(listening);
        listening.live?.unsubscribe();
      },
    };
  }

  flush(timeout: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { link } = this;
      if (!link) return reject(this.#disconnected());
      const settle = (error?: BrokerError) => {
        timer.cancel();
        losses.unsubscribe();
        if (error) reject(error);
        else resolve();
      };
      const timer = this.#options.clock.after(timeout, () =>
        settle(new BrokerError('timeout', `the broker did not answer a ping within ${timeout} ms`)),
      );
      const losses = this.onLink(() => settle(this.#disconnected()));
      link.flush().then(
        () => settle(),
        () => settle(this.#disconnected()),
      );
    });
  }

  storage(): Promise<Storage> {
    const { clock, random, log } = this.#options;
    this.#storage ??= import('./storage.ts').then(({ openStorage }) =>
      openStorage({ wire: this, clock, random, log }),
    );
    return this.#storage;
  }

  async close(timeout = 2_000): Promise<void> {
    if (this.#closing.signal.aborted) return;
    // What cannot be sent in time is lost with the link; closing is not the moment to fail.
    if (this.link) await this.flush(timeout).catch(() => undefined);
    this.#subscriptions.clear();
    // Ends the link too.
    this.#closing.abort();
    this.#turn({ kind: 'closed' }, undefined);
  }

  #up(link: Link, state: ConnectionState): void {
    void this.#reportDenials(link);
    for (const listening of this.#subscriptions) this.#listen(listening, link);
    this.#turn(state, link);
  }

  /** The broker says so when it does not let us publish or subscribe; the client passes that on as its status. */
  async #reportDenials(link: Link): Promise<void> {
    for await (const status of link.status()) {
      if (!status.permissionContext) continue;
      const { operation, subject } = status.permissionContext;
      this.#limitedLog.warn(
        `${operation} ${subject}`,
        { subject, operation },
        'the broker does not permit this',
      );
    }
  }

  #listen(listening: Listening, link: Link): void {
    const { subject, handler } = listening;
    const callback = (error: Error | null, message: Msg) => {
      // A refused permission comes this way too, and is reported from the link's status.
      if (error) return;
      try {
        handler(this.#message(message));
      } catch (err) {
        // An error that reached the client would end its reading, and with it the link.
        this.#limitedLog.warn(
          `handler ${subject}`,
          { subject: message.subject, err },
          'a message could not be handled',
        );
      }
    };
    listening.live = link.subscribe(subject, { callback });
  }

  #message(message: Msg): Message {
    const reply = message.reply ?? '';
    return {
      subject: message.subject,
      data: message.data,
      reply,
      // Nobody's inbox begins so: the sender would have us write to the broker's own API or store in our name.
      respond: data => reply !== '' && !reply.startsWith('$') && this.publish(reply, data),
    };
  }

  #turn(state: ConnectionState, link: Link | undefined): void {
    this.#state = state;
    this.#link = link;
    for (const listener of [...this.#listeners]) {
      try {
        listener(state);
      } catch (err) {
        this.#options.log.error({ err }, 'a listener to the connection failed');
      }
    }
    for (const listener of [...this.#linkListeners]) listener(link);
  }

  #disconnected(): BrokerError {
    const state = this.#state;
    if (state.kind === 'closed')
      return new BrokerError('disconnected', 'the connection to the broker is closed');
    return new BrokerError(
      'disconnected',
      state.kind === 'disconnected' ? state.reason : 'not connected to the broker yet',
    );
  }
}

/** What the protocol's lines can carry: a blank or a line break would begin another field or command. */
const isSubject = (subject: string) => subject !== '' && !/[\s\u0000-\u001f\u007f]/.test(subject);

function requestError(error: unknown, link: Link, subject: string, timeout: number): BrokerError {
  const [fault, message]: [BrokerFault, string] = link.isClosed()
    ? ['disconnected', `the broker was lost before it answered on ${subject}`]
    : errnoOf(error) === '503'
      ? ['no_responders', `nobody listens on ${subject}`]
      : errnoOf(error) === 'TIMEOUT'
        ? ['timeout', `no answer on ${subject} within ${timeout} ms`]
        : ['refused', `the broker refused a request on ${subject}: ${reasonOf(error)}`];
  return new BrokerError(fault, message, { cause: error });
}
