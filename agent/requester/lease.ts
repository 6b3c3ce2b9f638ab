// The lease makes sure that only one requester acts on a store. A second one is refused, and learns who holds the lease.
import * as v from 'valibot';
import { ProtocolError } from '../protocol/error.ts';
import { parseJson } from '../protocol/json.ts';
import { validate } from '../protocol/schema.ts';
import { leaseSubject } from '../protocol/subjects.ts';
import { type Clock, sleep, type Timer } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import { BrokerError, type Bucket, type Connection } from '../transport/port.ts';
import { decode, encode, ensureClusterId } from './cluster/cluster-bucket.ts';

const leaseKey = 'lease';

/**
 * Times in milliseconds: how often the holder renews the lease, how long the holder may act after a renewal, how long
 * another requester waits for a holder that does not answer, and how long one question to the holder waits for its answer.
 */
export const leaseTimesMs = { renew: 5_000, sure: 12_000, expiry: 15_000, answer: 2_000 };

const short = v.pipe(v.string(), v.maxLength(256));
const holderSchema = v.object({
  requester: short,
  instance: short,
  host: short,
  pid: v.number(),
  since: short,
});
export type Holder = v.InferOutput<typeof holderSchema>;

export interface LeaseOptions {
  /** The bucket that contains the lease. */
  bucket: Bucket;
  connection: Connection;
  clusterId: string;
  random: Random;
  me: Holder;
  clock: Clock;
  log: Log;
  /** Called when another requester took the lease because this one did not renew it. This one must stop. */
  onLost(holder: Holder): void;
  /** Aborts the wait for a holder that does not answer. */
  signal?: AbortSignal;
}

export interface Lease {
  /**
   * Resolves when this requester may act: it renewed the lease a short time ago, or does so now. A process that slept, or
   * lost the broker, may have lost the lease without knowing it. @throws MusterError `in_use` naming the new holder;
   * BrokerError when the store does not answer.
   */
  confirm(): Promise<void>;
  /** Gives the lease back, so that the next requester can take it without a question. */
  release(): Promise<void>;
  /** Called when somebody had removed the lease from the store, and perhaps what is beside it. */
  onRemoved: () => void;
}

/**
 * Takes the lease. A holder that answers or renews is alive and keeps the lease. When nobody receives the question, the
 * holder is gone. When the question is received but not answered, this waits until the lease was not renewed for 15 s.
 * @throws MusterError `in_use` naming the holder; BrokerError when the store does not answer, or `signal` aborts.
 */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { bucket, connection, me, clock, signal } = options;
  let silent: { since: number; revision: number; instance: string } | undefined;
  for (;;) {
    if (signal?.aborted) throw new BrokerError('disconnected', 'stopped before the lease was taken');
    const entry = await bucket.get(leaseKey);
    const holder = entry && !entry.marker ? decode(leaseKey, holderSchema, entry.value) : undefined;
    if (entry && holder && holder.instance !== me.instance) {
      const alive = await isAlive(connection, options.clusterId, holder);
      const { revision } = entry;
      const { instance } = holder;
      const renews = silent?.instance === instance && silent.revision !== revision;
      if (alive === 'yes' || renews) throw inUse(holder);
      if (alive === 'unsure') {
        if (silent?.instance !== instance) silent = { since: clock.monotonic(), revision, instance };
        if (clock.monotonic() - silent.since < leaseTimesMs.expiry) {
          await sleep(clock, 500, signal);
          continue;
        }
      }
    }
    try {
      const askedAt = timesOf(clock);
      const revision = await bucket.put(leaseKey, encode(me), entry?.revision ?? 0);
      return renewUntilReleased(options, revision, askedAt);
    } catch (error) {
      if (!(error instanceof BrokerError) || error.fault !== 'revision_conflict') throw error;
    }
  }
}

// Renews the lease until it is released. While the broker is away the lease is safe, because no other requester can take it.
function renewUntilReleased(options: LeaseOptions, firstRevision: number, takenAt: Times): Lease {
  const { bucket, connection, me, clock, log } = options;
  let revision = firstRevision;
  let timer: Timer | undefined;
  let released = false;
  /** When the last successful renewal was sent; undefined while that proves nothing. */
  let renewedAt: Times | undefined = takenAt;
  let lostTo: Holder | undefined;
  let renewing: Promise<void> | undefined;
  const answering = connection.subscribe(leaseSubject(options.clusterId), message => {
    message.respond(encode(me));
  });
  // Another requester takes the lease at once from a holder that has no connection.
  const listening = connection.onState(({ kind }) => {
    if (kind !== 'connected') renewedAt = undefined;
  });
  const renew = async () => {
    const askedAt = timesOf(clock);
    try {
      revision = await bucket.put(leaseKey, encode(me), revision);
    } catch (error) {
      if (!(error instanceof BrokerError) || error.fault !== 'revision_conflict') throw error;
      const other = await otherHolder();
      // The lease is written again at once, before another requester can take it.
      if (other) return released ? undefined : lose(other);
      revision = await bucket.put(leaseKey, encode(me), revision);
      // Who removed the lease may have removed the cluster id too. The next start would make another one without a word.
      await ensureClusterId(bucket, options.random, options.clusterId);
      lease.onRemoved();
    }
    renewedAt = askedAt;
  };
  const renewOnce = (): Promise<void> => {
    renewing ??= renew().finally(() => {
      renewing = undefined;
    });
    return renewing;
  };
  // Returns the other requester that holds the lease, if there is one. A failed write does not always mean another holder:
  // the answer to our own write may have been lost, the store may have been lost, or another program may have written the
  // value.
  const otherHolder = async (): Promise<Holder | undefined> => {
    const entry = await bucket.get(leaseKey);
    revision = entry?.revision ?? 0;
    if (!entry || entry.marker) return undefined;
    try {
      const holder = validate(holderSchema, parseJson(entry.value));
      return holder.instance === me.instance ? undefined : holder;
    } catch (error) {
      log.warn({ err: error }, 'the lease in the store cannot be read; it is written again');
      return undefined;
    }
  };
  const lose = (holder: Holder) => {
    released = true;
    lostTo = holder;
    answering.unsubscribe();
    listening.unsubscribe();
    timer?.cancel();
    options.onLost(holder);
  };
  const schedule = () => {
    timer = clock.after(leaseTimesMs.renew, () => {
      void renewOnce()
        .catch(error => log.debug({ err: error }, 'the lease could not be renewed; it is tried again'))
        .finally(() => {
          if (!released) schedule();
        });
    });
  };
  schedule();
  const lease: Lease = {
    onRemoved: () => undefined,
    async confirm() {
      if (!released && isRecent(renewedAt, clock)) return;
      if (!released) await renewOnce();
      if (lostTo) throw tookOver(lostTo);
      if (released) throw new BrokerError('disconnected', 'the lease was given back');
      // The connection may have been lost since the renewal was sent.
      if (!renewedAt) throw new BrokerError('disconnected', 'the lease could not be renewed');
    },
    async release() {
      if (released) return;
      released = true;
      timer?.cancel();
      answering.unsubscribe();
      listening.unsubscribe();
      await renewing?.catch(() => undefined);
      await bucket.purge(leaseKey, revision, {}).catch(error => {
        const text = 'the lease could not be given back; the next requester finds that nobody answers';
        log.debug({ err: error }, text);
      });
    },
  };
  return lease;
}

async function isAlive(
  connection: Connection,
  cluster: string,
  holder: Holder,
): Promise<'yes' | 'no' | 'unsure'> {
  try {
    const answer = await connection.request(leaseSubject(cluster), '', leaseTimesMs.answer);
    const answering = validate(holderSchema, parseJson(answer.data));
    // The answer may come from another requester, which lost the lease but does not know it yet. It says nothing about the
    // holder.
    return answering.instance === holder.instance ? 'yes' : 'unsure';
  } catch (error) {
    if (error instanceof ProtocolError) return 'unsure';
    if (!(error instanceof BrokerError)) throw error;
    if (error.fault === 'no_responders') return 'no';
    if (error.fault === 'timeout') return 'unsure';
    throw error;
  }
}

/** A moment on both clocks, in milliseconds. The monotonic clock stands still while the machine sleeps. */
interface Times {
  monotonic: number;
  wall: number;
}

const timesOf = (clock: Clock): Times => ({ monotonic: clock.monotonic(), wall: clock.now().getTime() });

function isRecent(times: Times | undefined, clock: Clock): boolean {
  if (!times) return false;
  const now = timesOf(clock);
  const { sure } = leaseTimesMs;
  return now.monotonic - times.monotonic < sure && Math.abs(now.wall - times.wall) < sure;
}

/** Returns the error of a requester that lost the lease. */
export const tookOver = ({ requester, pid, host }: Holder): MusterError =>
  new MusterError(
    'in_use',
    `requester ${requester} (process ${pid} on ${host}) took over this cluster's roll while this one did not answer; this one changes nothing more`,
    { hint: 'ask the other one, and run one requester on a store' },
  );

const inUse = (holder: Holder): MusterError =>
  new MusterError(
    'in_use',
    `requester ${holder.requester} (process ${holder.pid} on ${holder.host}, since ${holder.since}) already keeps this cluster's roll`,
    { hint: 'stop it first, or point this one to another broker with nats.servers' },
  );
