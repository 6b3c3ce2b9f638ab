// Lets sets of records follow the cluster bucket, by one watch over all of them: what another requester writes counts at once.
import type { Bucket, BucketEntry } from '../../transport/port.ts';
import { type RetryOptions, retryOnBrokerError } from './retry.ts';

/** Records in memory, as the watch sees them. See WatchedRecords. */
export interface FollowingRecords {
  readonly prefix: string;
  beginPass(lost: boolean): void;
  onEntry(entry: BucketEntry): void;
  completePass(): boolean;
}

/** A set of records that follows the bucket. See RecordSet. */
export interface FollowingSet {
  readonly watched: FollowingRecords;
  restore(options: { onlyMissing: boolean }): Promise<void>;
}

/**
 * Reads all records of `sets` from the bucket, and follows them until it is stopped. Records that a later pass does not find,
 * although no requester removed them, are written again. @throws BrokerError
 */
export async function followRecords(
  bucket: Pick<Bucket, 'watch'>,
  sets: readonly FollowingSet[],
  retry: Omit<RetryOptions, 'failureText' | 'onFailure'>,
): Promise<{ stop(): void }> {
  const onEntry = (entry: BucketEntry) => {
    for (const set of sets) set.watched.onEntry(entry);
  };
  // The rest of the bucket is written all the time: the lease, and when nodes were last heard.
  const watch = await bucket.watch(onEntry, {
    prefixes: sets.map(({ watched }) => watched.prefix),
    begin: ({ lost }) => {
      for (const set of sets) set.watched.beginPass(lost);
    },
    complete: () => {
      const short = sets.filter(set => set.watched.completePass());
      if (short.length > 0) void writeAgain(short, retry);
    },
  });
  try {
    await watch.ready;
  } catch (error) {
    watch.stop();
    throw error;
  }
  return watch;
}

async function writeAgain(
  sets: readonly FollowingSet[],
  retry: Omit<RetryOptions, 'failureText' | 'onFailure'>,
): Promise<void> {
  const { log } = retry;
  log.warn(
    { kinds: sets.map(({ watched }) => watched.prefix) },
    'the store lost records of the cluster; they are written again',
  );
  const work = async () => {
    for (const set of sets) await set.restore({ onlyMissing: true });
  };
  const failureText = 'lost records of the cluster cannot be written again yet; trying again';
  await retryOnBrokerError(work, { ...retry, failureText }).catch(err =>
    log.error({ err }, 'lost records of the cluster could not be written again'),
  );
}
