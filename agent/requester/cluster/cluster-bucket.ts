// The cluster bucket holds the cluster's id and the lease of the requester that watches.
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { eventStreamName } from '../../protocol/subjects.ts';
import { MusterError } from '../../system/errors.ts';
import type { Random } from '../../system/random.ts';
import { type Bucket, type BucketConfig, isRevisionConflict } from '../../transport/port.ts';

/** It is made before every other stream of the roll. */
export const clusterBucket: BucketConfig = { name: 'muster_v1', history: 1, precedes: eventStreamName };

const clusterKey = 'cluster';
const clusterSchema = v.object({ id: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,128}$/)) });

/**
 * Returns the cluster's id. The first requester of a store makes the id, and it stays in the store. When the store was
 * lost, `rememberedId` is written into it again. @throws BrokerError; MusterError `bad_state` when the stored id cannot
 * be read.
 */
export async function ensureClusterId(
  bucket: Bucket,
  random: Random,
  rememberedId?: string,
): Promise<string> {
  for (;;) {
    const entry = await bucket.get(clusterKey);
    if (entry && !entry.marker) return decode(clusterKey, clusterSchema, entry.value).id;
    try {
      const id = rememberedId ?? random.uuid();
      await bucket.put(clusterKey, encode({ id }), entry?.revision ?? 0);
      return id;
    } catch (error) {
      if (!isRevisionConflict(error)) throw error;
    }
  }
}

/** Returns the cluster's id in the store; undefined when there is none. @throws BrokerError; MusterError as `ensureClusterId` */
export async function readClusterId(bucket: Pick<Bucket, 'get'>): Promise<string | undefined> {
  const entry = await bucket.get(clusterKey);
  return entry && !entry.marker ? decode(clusterKey, clusterSchema, entry.value).id : undefined;
}

export const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** Reads the value of a key. @throws MusterError `bad_state` when the value was not written by muster. */
export function decode<const T extends v.GenericSchema>(
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
