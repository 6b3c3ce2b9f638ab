// Reads a stream in order, also after reconnections. The consumer on the broker is replaced whenever a message may be
// missing.

import { createInbox, type NatsConnection as Link, type Msg } from 'nats';
import { type Clock, sleep, type Timer } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { backoff, type Random } from '../system/random.ts';
import { callApi, type StorageConnection } from './jetstream.ts';
import { isEmpty } from './nats-internals.ts';
import { BrokerError } from './port.ts';
import { positionOf, ReceivedMessage, type StoredMessage } from './received-message.ts';

export interface StorageEnvironment {
  connection: StorageConnection;
  clock: Clock;
  random: Random;
  log: Log;
  /** What begins each present reading again; see `Storage.readAgain`. */
  readings?: Set<() => void>;
}

/** The stream to read, and where to begin. */
export interface ReadRequest {
  stream: string;
  /** The subjects to read. They may have wildcards, and none may match a subject of another. */
  filters: readonly string[];
  from: 'all' | 'newest_of_each_subject' | { sequence: number } | { time: Date };
  /** Called just before the first message. */
  onBegin?: () => void;
}

export interface ReadCallbacks {
  /**
   * Receives a message. When it returns a promise, `readContinuously` brings no more messages until the promise is
   * settled.
   */
  onMessage(message: StoredMessage): void | Promise<void>;
  /** Called when all messages that were stored at the start have been read. */
  onCurrent(): void;
}

/**
 * Time between the broker's signs of life on a quiet consumer, in milliseconds. When three are missing, the consumer is
 * replaced.
 */
const idleHeartbeatMs = 2_000;

/**
 * Reads until it is stopped. It calls `nextRead` at the start and at each restart: after a reconnection, after a gap, when
 * the consumer sends nothing, and when the caller asks for it. `ready` resolves when all stored messages have been read for
 * the first time. @throws BrokerError when the first start fails. Later starts are repeated.
 */
export async function readContinuously(
  environment: StorageEnvironment,
  nextRead: () => Promise<ReadRequest>,
  callbacks: ReadCallbacks,
): Promise<{ ready: Promise<void>; stop(): void; restart(): void }> {
  const { connection, clock, random, log, readings } = environment;
  const ready = Promise.withResolvers<void>();
  // When the caller does not wait for `ready`, there must be no unhandled rejection.
  ready.promise.catch(() => undefined);
  const limited = limitedLog(log, clock);
  const stopping = new AbortController();
  // Each start has a number, so that messages of an earlier start can be dropped.
  let latest = 0;
  let end: () => void = () => undefined;

  const start = async (number: number): Promise<void> => {
    end();
    const { link } = connection;
    if (!link) throw new BrokerError('disconnected', 'not connected to the broker');
    const request = await nextRead();
    if (number !== latest) return;
    request.onBegin?.();
    const started = await consume(environment, link, request, {
      onMessage: message => {
        const room = number === latest ? callbacks.onMessage(message) : undefined;
        // A callback that is declared to return nothing may still return any value.
        if (room instanceof Promise) pause(room);
      },
      onCurrent: () => {
        if (number !== latest) return;
        callbacks.onCurrent();
        ready.resolve();
      },
      onBroken: reason => {
        if (number !== latest) return;
        log.debug({ stream: request.stream, reason }, 'reading a stream again');
        void restart();
      },
    });
    if (number === latest) end = started;
    else started();
  };

  const restart = async (): Promise<void> => {
    const number = ++latest;
    for (let failures = 0; number === latest; failures++) {
      try {
        return await start(number);
      } catch (err) {
        // Without a link no attempt is possible. The next link starts the reading again.
        if (!connection.link) return;
        limited.warn(reasonOf(err), { err }, 'cannot read what the broker stores');
        await sleep(clock, backoff(random, failures, 200, 5_000), stopping.signal);
      }
    }
  };

  const stop = () => {
    latest = -1;
    stopping.abort();
    readings?.delete(restartUnlessStopped);
    linkListener.unsubscribe();
    end();
    ready.reject(new BrokerError('disconnected', 'stopped before all was read'));
  };

  // Stops reading until `room` is settled. Messages that the consumer sends meanwhile are dropped, and read again later.
  const pause = (room: Promise<void>): void => {
    const number = ++latest;
    end();
    const resume = () => {
      if (number === latest) void restart();
    };
    room.then(resume, resume);
  };

  const restartUnlessStopped = () => {
    if (!stopping.signal.aborted) void restart();
  };

  await start(++latest);
  readings?.add(restartUnlessStopped);
  const linkListener = connection.onLink(link => {
    if (link) void restart();
    else if (connection.closed) stop();
  });
  return { ready: ready.promise, stop, restart: restartUnlessStopped };
}

/** Reads all messages that are stored now. Throws BrokerError. */
export async function readOnce(
  environment: StorageEnvironment,
  request: ReadRequest,
  onMessage: (message: StoredMessage) => void,
): Promise<void> {
  const { link } = environment.connection;
  if (!link) throw new BrokerError('disconnected', 'not connected to the broker');
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => undefined);
  const onBroken = (reason: string) =>
    done.reject(
      new BrokerError(
        link.isClosed() ? 'disconnected' : 'timeout',
        `cannot read ${request.stream}: ${reason}`,
      ),
    );
  const end = await consume(environment, link, request, {
    onMessage,
    onCurrent: () => done.resolve(),
    onBroken,
  });
  await done.promise.finally(end);
}

/**
 * Reads with one consumer on one link. Returns a function that ends the consumer. `onBroken` is called at most once,
 * after the consumer has ended.
 */
async function consume(
  { connection, clock, log }: StorageEnvironment,
  link: Link,
  { stream, filters, from }: ReadRequest,
  callbacks: ReadCallbacks & { onBroken(reason: string): void },
): Promise<() => void> {
  let ended = false;
  let received = 0;
  /** Number of messages that were stored at the start; known when the consumer exists. */
  let stored = Number.POSITIVE_INFINITY;
  let current = false;
  const end = () => {
    ended = true;
    silence.cancel();
    linkListener.unsubscribe();
    subscription.unsubscribe();
  };
  const broken = (reason: string) => {
    if (ended) return;
    end();
    callbacks.onBroken(reason);
  };
  let heard = false;
  // A timer for each message would cost more than the message.
  const startSilenceTimer = (): Timer =>
    clock.after(3 * idleHeartbeatMs, () => {
      if (!heard) return broken('no sign of life');
      heard = false;
      silence = startSilenceTimer();
    });
  const becomeCurrent = () => {
    if (ended || current) return;
    current = true;
    callbacks.onCurrent();
  };
  const receive = (message: Msg) => {
    heard = true;
    // What the broker itself says has no data. To read the headers of each message would take as long as all the rest.
    if (isEmpty(message)) {
      const code = message.headers?.code ?? 0;
      if (code === 100) {
        // Until everything is read, somebody waits for what the broker sends after the answer.
        if (!current) connection.hurry();
        return answerControl(link, message);
      }
      if (code >= 400) return broken(message.headers?.description ?? `status ${code}`);
    }
    const position = positionOf(message);
    if (position?.order !== received + 1) return broken('a gap');
    received++;
    try {
      callbacks.onMessage(new ReceivedMessage(message, position));
    } catch (err) {
      log.error({ err, subject: message.subject }, 'a stored message could not be handled');
    }
    if (position.pending === 0 || received >= stored) becomeCurrent();
  };
  let silence = startSilenceTimer();
  const inbox = createInbox();
  const subscription = link.subscribe(inbox, {
    callback: (error, message) => {
      if (ended) return;
      if (error) broken(reasonOf(error));
      else receive(message);
    },
  });
  const linkListener = connection.onLink(() => broken('the broker was lost'));
  try {
    const config = {
      ...deliverPolicy(from),
      ...(filters.length === 1 ? { filter_subject: filters[0] } : { filter_subjects: filters }),
      deliver_subject: inbox,
      ack_policy: 'none',
      max_deliver: 1,
      replay_policy: 'instant',
      flow_control: true,
      idle_heartbeat: idleHeartbeatMs * 1e6,
      mem_storage: true,
      num_replicas: 1,
    };
    const answer = await callApi(connection, `CONSUMER.CREATE.${stream}`, { stream_name: stream, config });
    stored =
      Number(answer.num_pending ?? 0) +
      Number((answer.delivered as { consumer_seq?: number })?.consumer_seq ?? 0);
    if (received >= stored) becomeCurrent();
  } catch (error) {
    end();
    throw error;
  }
  return end;
}

function deliverPolicy(from: ReadRequest['from']): Record<string, unknown> {
  if (from === 'all') return { deliver_policy: 'all' };
  if (from === 'newest_of_each_subject') return { deliver_policy: 'last_per_subject' };
  if ('sequence' in from) return { deliver_policy: 'by_start_sequence', opt_start_seq: from.sequence };
  return { deliver_policy: 'by_start_time', opt_start_time: from.time.toISOString() };
}

/** Answers an idle heartbeat or a flow control message. The broker sends no more messages until it has the answer. */
function answerControl(link: Link, message: Msg): void {
  const stalled = message.headers?.get('Nats-Consumer-Stalled');
  const reply = message.reply || stalled;
  if (reply && !link.isClosed()) link.publish(reply);
}
