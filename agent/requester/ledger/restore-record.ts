// The record of a restore says in the store that somebody who has the keys of the roll put this store back on purpose. Without
// it, the other requesters take the store for an old copy.
import * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { validate } from '../../protocol/schema.ts';
import { readSignedToken, type SigningKey, writeSignedToken } from '../../protocol/signed-token.ts';
import { MusterError } from '../../system/errors.ts';
import type { Bucket, BucketEntry } from '../../transport/port.ts';

/** The key in the bucket `muster_v1`. */
export const restoreKey = 'restore';

const kind = 'muster.restore';
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const schema = v.object({
  kind: v.literal(kind),
  cluster: v.pipe(v.string(), v.maxLength(128)),
  /** The revision of the record itself, so that it cannot be moved into another copy of the store. */
  revision: count,
  atMs: count,
});

/** Number of attempts to write the record, each of which something else may delay. */
const maxAttempts = 10;

export interface RestoreNote {
  /** The key that all requesters of the roll share. */
  issuer: SigningKey;
  /** The present time, and that of the newest restore that is known otherwise; 0 for none. In milliseconds since 1970. */
  nowMs: number;
  knownMs: number;
}

/**
 * Writes that the store was restored, and returns the time in the record, which is later than that of any known restore, also
 * when the clock was put back. It must be the last write of a restore. @throws BrokerError; MusterError `failed`
 */
export async function noteRestore(
  bucket: Pick<Bucket, 'get' | 'put' | 'state'>,
  cluster: string,
  { issuer, nowMs, knownMs }: RestoreNote,
): Promise<number> {
  const before = await bucket.get(restoreKey);
  const earlierMs = Math.max(knownMs, restoredAtMs(before, cluster, issuer.publicKey));
  const atMs = Math.max(nowMs, earlierMs + 1);
  let replaced = before?.revision ?? 0;
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const revision = (await bucket.state()).lastRevision + 1;
    const record = writeSignedToken({ kind, cluster, revision, atMs }, issuer);
    replaced = await bucket.put(restoreKey, Buffer.from(record), replaced);
    if (replaced === revision) return atMs;
  }
  throw new MusterError('failed', 'something else writes the store while it is restored', {
    hint: 'stop every requester of this cluster, and try again',
  });
}

/**
 * Returns when the store with this record was restored, in milliseconds since 1970; 0 when there is no record that the key
 * `issuer` signed for this place in this store.
 */
export function restoredAtMs(entry: BucketEntry | undefined, cluster: string, issuer: string): number {
  if (!entry || entry.marker) return 0;
  try {
    const token = readSignedToken(Buffer.from(entry.value).toString('latin1'), 'account');
    const record = validate(schema, token.claims);
    const isOurs = token.issuer === issuer && record.cluster === cluster;
    return isOurs && record.revision === entry.revision ? record.atMs : 0;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return 0;
  }
}
