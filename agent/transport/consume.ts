// Reads a stream in order, across reconnections: an ephemeral consumer that is made anew whenever its order is in doubt.
import { createInbox, type NatsConnection as Link, type Msg, type MsgHdrs } from 'nats';
import { type Clock, sleep } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { backoff, type Random } from '../system/random.ts';
import { callApi, type Wire } from './jetstream.ts';
import { BrokerError } from './port.ts';

export interface StoreEnvironment {
  wire: Wire;
  clock: Clock;
  random: Random;
  log: Log;
}

export interface Delivered {
  subject: string;
  data: Uint8Array;
  headers: MsgHdrs | undefined;
  sequence: number;
  time: Date;
}

/** What to read, and from where. */
export interface Reading {
  stream: string;
  filter: string;
  from: 'all' | 'newest_of_each_subject' | { sequence: number } | { time: Date };
  /** Called just before the first message. */
  begin?: () => void;
}

export interface Reader {
  /** `keepReading` brings no more while a promise that this answers is pending. */
  message(message: Delivered): void | Promise<void>;
  /** All that was stored when the reading began has been told. */
  current(): void;
}

/** Milliseconds between the broker's signs of life on a quiet consumer; three missing ones end it. */
const idleHeartbeat = 2_000;

/**
 * Reads until stopped. `plan` is asked at the start and again at each restart: after a reconnection, a gap, a consumer
 * that fell silent. `ready` resolves when the reader is current for the first time.
 * @throws BrokerError when the first start fails; later ones are tried again.
 */
export async function keepReading(
  environment: StoreEnvironment,
  plan: () => Promise<Reading>,
  reader: Reader,
): Promise<{ ready: Promise<void>; stop(): void }> {
  const { wire, clock, random, log } = environment;
  const ready = Promise.withResolvers<void>();
  // Nobody has to wait for `ready`.
  ready.promise.catch(() => undefined);
  const limited = limitedLog(log, clock);
  const stopping = new AbortController();
  // Each start has a number; what an earlier one still brings is not told.
  let latest = 0;
  let end: () => void = () => undefined;

  const start = async (number: number): Promise<void> => {
    end();
    const { link } = wire;
    if (!link) throw new BrokerError('disconnected', 'not connected to the broker');
    const reading = await plan();
    if (number !== latest) return;
    reading.begin?.();
    const started = await read(environment, link, reading, {
      message: message => {
        const room = number === latest ? reader.message(message) : undefined;
        // A callback that is typed to answer nothing may answer anything.
        if (room instanceof Promise) pause(room);
      },
      current: () => {
        if (number !== latest) return;
        reader.current();
        ready.resolve();
      },
      broken: reason => {
        if (number !== latest) return;
        log.debug({ stream: reading.stream, reason }, 'reading a stream again');
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
        // Without a link there is nothing to try: the next one begins anew.
        if (!wire.link) return;
        limited.warn(reasonOf(err), { err }, 'cannot read what the broker stores');
        await sleep(clock, backoff(random, failures, 200, 5_000), stopping.signal);
      }
    }
  };

  const stop = () => {
    latest = -1;
    stopping.abort();
    links.unsubscribe();
    end();
    ready.reject(new BrokerError('disconnected', 'stopped before all was read'));
  };

  // What the consumer has sent meanwhile is read again: it goes on after the last message told.
  const pause = (room: Promise<void>): void => {
    const number = ++latest;
    end();
    const goOn = () => {
      if (number === latest) void restart();
    };
    room.then(goOn, goOn);
  };

  await start(++latest);
  const links = wire.onLink(link => {
    if (link) void restart();
    else if (wire.closed) stop();
  });
  return { ready: ready.promise, stop };
}

/** Reads what is stored now, to its end. @throws BrokerError */
export async function readOnce(
  environment: StoreEnvironment,
  reading: Reading,
  message: (message: Delivered) => void,
): Promise<void> {
  const { link } = environment.wire;
  if (!link) throw new BrokerError('disconnected', 'not connected to the broker');
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => undefined);
  const broken = (reason: string) =>
    done.reject(
      new BrokerError(
        link.isClosed() ? 'disconnected' : 'timeout',
        `cannot read ${reading.stream}: ${reason}`,
      ),
    );
  const end = await read(environment, link, reading, { message, current: () => done.resolve(), broken });
  await done.promise.finally(end);
}

/** One consumer on one link. Answers how to end it; `broken` is called at most once, and ends it too. */
async function read(
  { wire, clock, log }: StoreEnvironment,
  link: Link,
  { stream, filter, from }: Reading,
  reader: Reader & { broken(reason: string): void },
): Promise<() => void> {
  let ended = false;
  let received = 0;
  /** How many were stored at the start; known once the consumer is made. */
  let stored = Number.POSITIVE_INFINITY;
  let current = false;
  const end = () => {
    ended = true;
    silence.cancel();
    losses.unsubscribe();
    subscription.unsubscribe();
  };
  const broken = (reason: string) => {
    if (ended) return;
    end();
    reader.broken(reason);
  };
  const listenFor = () => clock.after(3 * idleHeartbeat, () => broken('no sign of life'));
  const becomeCurrent = () => {
    if (ended || current) return;
    current = true;
    reader.current();
  };
  const receive = (message: Msg) => {
    silence.cancel();
    silence = listenFor();
    const code = message.headers?.code ?? 0;
    if (code === 100) return answerControl(link, message);
    if (code >= 400) return broken(message.headers?.description ?? `status ${code}`);
    const place = parsePlace(message.reply ?? '');
    if (place?.order !== received + 1) return broken('a gap');
    received++;
    try {
      const { subject, data, headers } = message;
      reader.message({ subject, data, headers, sequence: place.sequence, time: place.time });
    } catch (err) {
      log.error({ err, subject: message.subject }, 'a stored message could not be handled');
    }
    if (place.pending === 0 || received >= stored) becomeCurrent();
  };
  let silence = listenFor();
  const inbox = createInbox();
  const subscription = link.subscribe(inbox, {
    callback: (error, message) => {
      if (ended) return;
      if (error) broken(reasonOf(error));
      else receive(message);
    },
  });
  const losses = wire.onLink(() => broken('the broker was lost'));
  try {
    const config = {
      ...startAt(from),
      filter_subject: filter,
      deliver_subject: inbox,
      ack_policy: 'none',
      max_deliver: 1,
      replay_policy: 'instant',
      flow_control: true,
      idle_heartbeat: idleHeartbeat * 1e6,
      mem_storage: true,
      num_replicas: 1,
    };
    const answer = await callApi(wire, `CONSUMER.CREATE.${stream}`, { stream_name: stream, config });
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

function startAt(from: Reading['from']): Record<string, unknown> {
  if (from === 'all') return { deliver_policy: 'all' };
  if (from === 'newest_of_each_subject') return { deliver_policy: 'last_per_subject' };
  if ('sequence' in from) return { deliver_policy: 'by_start_sequence', opt_start_seq: from.sequence };
  return { deliver_policy: 'by_start_time', opt_start_time: from.time.toISOString() };
}

/** Idle heartbeats and flow control: the broker waits for our answer before it sends more. */
function answerControl(link: Link, message: Msg): void {
  const stalled = message.headers?.get('Nats-Consumer-Stalled');
  const reply = message.reply || stalled;
  if (reply && !link.isClosed()) link.publish(reply);
}

/** Where a message stands, which the broker writes into its reply subject (`$JS.ACK…`, with a domain from 2.10 on). */
function parsePlace(
  reply: string,
): { sequence: number; order: number; time: Date; pending: number } | undefined {
  const tokens = reply.split('.');
  if (tokens.length < 9) return undefined;
  const [sequence, order, nanoseconds, pending] = tokens.slice(tokens.length === 9 ? 5 : 7).map(Number);
  if (sequence === undefined || order === undefined || nanoseconds === undefined || pending === undefined)
    return undefined;
  return { sequence, order, time: new Date(nanoseconds / 1e6), pending };
}
