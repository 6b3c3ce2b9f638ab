// The lease of the acting requester: one at a time on one store. A second one is refused, naming the first (design 7).
import * as v from 'valibot';
import { ProtocolError } from '../protocol/error.ts';
import { parseJson } from '../protocol/json.ts';
import { validate } from '../protocol/schema.ts';
import { leaseSubject } from '../protocol/subjects.ts';
import { type Clock, sleep, type Timer } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import { BrokerError, type Bucket, type BucketConfig, type Connection } from '../transport/port.ts';

export const clusterBucket: BucketConfig = { name: 'muster_v1', history: 1 };
const clusterKey = 'cluster';
const leaseKey = 'lease';

/** How often the holder renews, and how long an unanswering one is waited for, in milliseconds. */
export const leaseTimes = { renew: 5_000, expiry: 15_000, answer: 2_000 };

const short = v.pipe(v.string(), v.maxLength(256));
const clusterSchema = v.object({ id: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,128}$/)) });
const holderSchema = v.object({
  requester: short,
  instance: short,
  host: short,
  pid: v.number(),
  since: short,
});
export type Holder = v.InferOutput<typeof holderSchema>;

/**
 * The cluster's id: made by the first requester of a store, then kept in it. `remembered` is put back into a store
 * that was lost. Throws BrokerError.
 */
export async function clusterId(bucket: Bucket, random: Random, remembered?: string): Promise<string> {
  for (;;) {
    const entry = await bucket.get(clusterKey);
    if (entry && !entry.marker) return readStored(clusterKey, clusterSchema, entry.value).id;
    try {
      const id = remembered ?? random.uuid();
      await bucket.put(clusterKey, encode({ id }), entry?.revision ?? 0);
      return id;
    } catch (error) {
      if (!(error instanceof BrokerError) || error.fault !== 'revision_conflict') throw error;
    }
  }
}

export interface LeaseOptions {
  bucket: Bucket;
  connection: Connection;
  clusterId: string;
  me: Holder;
  clock: Clock;
  log: Log;
  /** Another requester took the lease while this one did not renew it: this one must stop. */
  onLost(holder: Holder): void;
  /** Ends the wait for a holder that does not answer. */
  signal?: AbortSignal;
}

export interface Lease {
  /** Gives the lease back, so that the next requester need not ask. */
  release(): Promise<void>;
}

/**
 * Takes the lease. A holder that answers or renews is alive and keeps it; one that does not (nobody listens) is gone;
 * one that listens without answering is waited for until it has not renewed for 15 s.
 * @throws MusterError `in_use` naming the holder; BrokerError when the store does not answer, or `signal` aborts.
 */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { bucket, connection, me, clock, signal } = options;
  let silent: { since: number; revision: number; instance: string } | undefined;
  for (;;) {
    if (signal?.aborted) throw new BrokerError('disconnected', 'stopped before the lease was taken');
    const entry = await bucket.get(leaseKey);
    const holder = entry && !entry.marker ? readStored(leaseKey, holderSchema, entry.value) : undefined;
    if (entry && holder && holder.instance !== me.instance) {
      const alive = await isAlive(connection, options.clusterId, holder);
      const { revision } = entry;
      const { instance } = holder;
      const renews = silent?.instance === instance && silent.revision !== revision;
      if (alive === 'yes' || renews) throw inUse(holder);
      if (alive === 'unsure') {
        if (silent?.instance !== instance) silent = { since: clock.monotonic(), revision, instance };
        if (clock.monotonic() - silent.since < leaseTimes.expiry) {
          await sleep(clock, 500, signal);
          continue;
        }
      }
    }
    try {
      const revision = await bucket.put(leaseKey, encode(me), entry?.revision ?? 0);
      return keep(options, revision);
    } catch (error) {
      if (!(error instanceof BrokerError) || error.fault !== 'revision_conflict') throw error;
    }
  }
}

// Renews until released. A broker that is away is no loss: nobody else can take the lease meanwhile either.
function keep(options: LeaseOptions, first: number): Lease {
  const { bucket, connection, me, clock, log } = options;
  let revision = first;
  let timer: Timer | undefined;
  let released = false;
  let renewing: Promise<void> = Promise.resolve();
  const answering = connection.subscribe(leaseSubject(options.clusterId), message => {
    message.respond(encode(me));
  });
  const renew = async () => {
    try {
      revision = await bucket.put(leaseKey, encode(me), revision);
    } catch (error) {
      if (!(error instanceof BrokerError) || error.fault !== 'revision_conflict') throw error;
      const taken = await takenBy();
      // At once, as nobody else may find it free meanwhile.
      if (!taken) revision = await bucket.put(leaseKey, encode(me), revision);
      else if (!released) lose(taken);
    }
  };
  // A lost answer of our own renewal also reads as a conflict, a lost store as a lease that is not there, and what
  // nobody can read was not written by another requester.
  const takenBy = async (): Promise<Holder | undefined> => {
    const entry = await bucket.get(leaseKey);
    revision = entry?.revision ?? 0;
    if (!entry || entry.marker) return undefined;
    try {
      const holder = validate(holderSchema, parseJson(entry.value));
      return holder.instance === me.instance ? undefined : holder;
    } catch (error) {
      log.warn({ err: error }, 'the lease in the store cannot be read; it is written anew');
      return undefined;
    }
  };
  const lose = (holder: Holder) => {
    released = true;
    answering.unsubscribe();
    options.onLost(holder);
  };
  const schedule = () => {
    timer = clock.after(leaseTimes.renew, () => {
      renewing = renew()
        .catch(error => log.debug({ err: error }, 'the lease could not be renewed; it is tried again'))
        .finally(() => {
          if (!released) schedule();
        });
    });
  };
  schedule();
  return {
    async release() {
      if (released) return;
      released = true;
      timer?.cancel();
      answering.unsubscribe();
      await renewing;
      await bucket.purge(leaseKey, revision, {}).catch(error => {
        log.debug(
          { err: error },
          'the lease could not be given back; the next requester finds that nobody answers',
        );
      });
    },
  };
}

async function isAlive(
  connection: Connection,
  cluster: string,
  holder: Holder,
): Promise<'yes' | 'no' | 'unsure'> {
  try {
    const answer = await connection.request(leaseSubject(cluster), '', leaseTimes.answer);
    const answered = validate(holderSchema, parseJson(answer.data));
    // Another one that answers may have lost the lease without knowing yet: that says nothing of the holder.
    return answered.instance === holder.instance ? 'yes' : 'unsure';
  } catch (error) {
    if (error instanceof ProtocolError) return 'unsure';
    if (!(error instanceof BrokerError)) throw error;
    if (error.fault === 'no_responders') return 'no';
    if (error.fault === 'timeout') return 'unsure';
    throw error;
  }
}

const inUse = (holder: Holder): MusterError =>
  new MusterError(
    'in_use',
    `requester ${holder.requester} (process ${holder.pid} on ${holder.host}, since ${holder.since}) already keeps this cluster's roll`,
    { hint: 'stop it first, or point this one to another broker with nats.servers' },
  );

const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

function readStored<const T extends v.GenericSchema>(
  key: string,
  schema: T,
  value: Uint8Array,
): v.InferOutput<T> {
  try {
    return validate(schema, parseJson(value));
  } catch (error) {
    throw new MusterError('bad_state', `${clusterBucket.name}/${key} in the broker's store cannot be read`, {
      hint: 'it was not written by muster; remove that key, or use another broker',
      cause: error,
    });
  }
}
