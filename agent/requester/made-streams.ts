// The record in the store of the streams that this roll has made in a cluster of NATS servers, and on how many servers. It tells
// a new requester that a stream which is not found was there, and names a stream whose servers somebody else made more in place.
import * as v from 'valibot';
import { ProtocolError } from '../protocol/error.ts';
import { parseJson } from '../protocol/json.ts';
import { validate } from '../protocol/schema.ts';
import type { Log } from '../system/log.ts';
import {
  BrokerError,
  type Bucket,
  type BucketEntry,
  isRevisionConflict,
  type StreamReplicas,
} from '../transport/port.ts';
import { encode } from './cluster/cluster-bucket.ts';
import type { RaisedStream } from './status/store-replicas.ts';
import { storedStreams } from './stored-streams.ts';

/** The key in the bucket `muster_v1`. */
export const madeStreamsKey = 'streams';

const schema = v.record(
  v.pipe(v.string(), v.maxLength(128)),
  v.object({ servers: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)) }),
);

/** The number of servers on which each stream was made, by its name. */
export type MadeOn = ReadonlyMap<string, number>;

type RecordBucket = Pick<Bucket, 'get' | 'put'>;

/** Returns what an entry says; nothing for none, and for one that this version does not understand. */
export function readMadeOn(entry: BucketEntry | undefined): MadeOn {
  if (!entry || entry.marker) return new Map();
  try {
    const record = validate(schema, parseJson(entry.value));
    return new Map(Object.entries(record).map(([stream, { servers }]) => [stream, servers]));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return new Map();
  }
}

/** Returns the streams of `found` that are on more servers than they were made on. */
export const raisedOf = (
  madeOn: MadeOn,
  found: readonly { stream: string; replicas: number }[],
): RaisedStream[] =>
  found.flatMap(({ stream, replicas }) => {
    const from = madeOn.get(stream) ?? replicas;
    return replicas > from ? [{ stream, from, to: replicas }] : [];
  });

/**
 * Writes what `change` makes of the record; it gets the present one. Nothing is written when that is the same. Returns the
 * record as it is then. @throws BrokerError
 */
export async function noteMadeStreams(
  bucket: RecordBucket,
  change: (before: MadeOn) => MadeOn,
): Promise<MadeOn> {
  for (;;) {
    const entry = await bucket.get(madeStreamsKey);
    const before = readMadeOn(entry);
    const after = change(before);
    if (textOf(after) === textOf(before)) return before;
    try {
      await bucket.put(madeStreamsKey, encode(recordOf(after)), entry?.revision ?? 0);
      return after;
    } catch (error) {
      if (!isRevisionConflict(error)) throw error;
    }
  }
}

/** Forgets the record, because the streams of this store were made anew from a backup. @throws BrokerError */
export async function forgetMadeStreams(bucket: Pick<Bucket, 'get' | 'purge'>): Promise<void> {
  const entry = await bucket.get(madeStreamsKey);
  if (entry && !entry.marker) await bucket.purge(madeStreamsKey, entry.revision, {});
}

const recordOf = (madeOn: MadeOn) =>
  Object.fromEntries(
    storedStreams.flatMap(stream => {
      const servers = madeOn.get(stream);
      return servers === undefined ? [] : [[stream, { servers }]];
    }),
  );

const textOf = (madeOn: MadeOn): string => JSON.stringify(recordOf(madeOn));

/** What a requester knows of the record. It notes there which streams it finds, as nobody knows more about an older store. */
export class MadeStreams {
  readonly #log: Log;
  readonly #onChange: () => void;
  #bucket: RecordBucket | undefined;
  #madeOn: MadeOn = new Map();
  #raised: readonly RaisedStream[] = [];

  /** `onChange` is called when `raised` has changed. */
  constructor({ log, onChange }: { log: Log; onChange(): void }) {
    this.#log = log;
    this.#onChange = onChange;
  }

  /** The streams that somebody else has put on more servers in place. */
  get raised(): readonly RaisedStream[] {
    return this.#raised;
  }

  /** Whether the roll has made this stream. */
  has(stream: string): boolean {
    return this.#madeOn.has(stream);
  }

  /** Reads the record. @throws BrokerError */
  async read(bucket: RecordBucket): Promise<void> {
    this.#madeOn = readMadeOn(await bucket.get(madeStreamsKey));
    this.#bucket = bucket;
  }

  /** Compares the record with what the cluster says, and notes in it the streams that it does not have. Never rejects. */
  async compare(found: readonly StreamReplicas[]): Promise<void> {
    const bucket = this.#bucket;
    if (!bucket) return;
    const foundOn = found.map(each => [each.stream, each.replicas] as const);
    try {
      // A command may have made the streams anew since the last time.
      this.#madeOn = await noteMadeStreams(bucket, before => new Map([...foundOn, ...before]));
    } catch (err) {
      if (!(err instanceof BrokerError)) throw err;
      this.#log.debug({ err }, 'the record of the streams could not be compared; it is tried again');
      return;
    }
    const before = JSON.stringify(this.#raised);
    this.#raised = raisedOf(this.#madeOn, found);
    if (JSON.stringify(this.#raised) !== before) this.#onChange();
  }
}
