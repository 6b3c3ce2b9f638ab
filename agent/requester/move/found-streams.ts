// Finds the streams that a move may move, and notes in the store on how many servers the roll makes them.
import type { Bucket, Storage, StreamCopies } from '../../transport/port.ts';
import { clusterBucket } from '../cluster/cluster-bucket.ts';
import { madeStreamsKey, noteMadeStreams, readMadeOn } from '../made-streams.ts';
import { storedStreams } from '../stored-streams.ts';
import type { FoundStream } from './move-plan.ts';

type StreamName = (typeof storedStreams)[number];

/** Opens the bucket of the cluster, and makes none. @throws BrokerError `store_missing` */
export const knownBucket = (storage: Storage): Promise<Bucket> =>
  storage.bucket({ ...clusterBucket, isKnown: true });

/** Returns what the broker and the store say of each stream. Makes nothing. @throws BrokerError */
export async function findStreams(
  copies: StreamCopies,
  storage: Storage,
): Promise<FoundStream<StreamName>[]> {
  const found = await Promise.all(
    storedStreams.map(async name => ({ name, counts: await copies.counts(name) })),
  );
  if (!found[0]?.counts) return found;
  const madeOn = readMadeOn(await (await knownBucket(storage)).get(madeStreamsKey));
  return found.map(each => ({ ...each, madeOn: madeOn.get(each.name) }));
}

/**
 * Notes before a move on how many servers its streams will be. A move to fewer is noted at its end, because a stream that stays
 * where it is must not look as if somebody else had put it on more. @throws BrokerError
 */
export async function noteBefore(
  bucket: Bucket,
  { storage, copies, to }: { storage: Storage; copies: StreamCopies; to: number },
): Promise<void> {
  const moving = (await findStreams(copies, storage)).flatMap(({ name, counts, madeOn }) =>
    counts && counts.replicas !== to ? [[name, Math.max(madeOn ?? counts.replicas, to)] as const] : [],
  );
  await noteMadeStreams(bucket, before => new Map([...before, ...moving]));
}

/** Notes that all streams were made on this number of servers. @throws BrokerError */
export async function noteAfter(storage: Storage, servers: number): Promise<void> {
  const bucket = await knownBucket(storage);
  await noteMadeStreams(bucket, () => new Map(storedStreams.map(name => [name, servers])));
}
