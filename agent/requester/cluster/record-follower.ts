// Lets sets of records follow the cluster bucket, by one watch over all of them: what another requester writes counts at once.
import type { Bucket, BucketEntry } from '../../transport/port.ts';
import { type Recovery, recoveryPrefix } from './recovery.ts';
import { type RetryOptions, retryOnBrokerError } from './retry.ts';

/** Records in memory, as the watch sees them. See WatchedRecords. */
export interface FollowingRecords {
  readonly prefix: string;
  beginPass(lost: boolean): void;
  onEntry(entry: BucketEntry): void;
  completePass(): boolean;
  forgetUnstored(): void;
}

/** A set of records that follows the bucket. See RecordSet. */
export interface FollowingSet {
  readonly watched: FollowingRecords;
  restore(options: { onlyMissing: boolean }): Promise<void>;
}

/**
 * Reads all records of `sets` from the bucket, and follows them until it is stopped. Records that a later pass does not find,
 * although no requester removed them, are written again by `recovery`. @throws BrokerError
 */
export async function followRecords(
  bucket: Pick<Bucket, 'watch'>,
  sets: readonly FollowingSet[],
  recovery: Recovery,
  retry: Omit<RetryOptions, 'failureText' | 'onFailure'>,
): Promise<{ stop(): void }> {
  let isInPass = false;
  const writeMissing = () => writeAgain(sets, retry);
  const forgetDeleted = () => {
    if (!isInPass && recovery.takeDoneByOther()) for (const { watched } of sets) watched.forgetUnstored();
  };
  const onEntry = (entry: BucketEntry) => {
    for (const set of sets) set.watched.onEntry(entry);
    recovery.onEntry(entry);
    forgetDeleted();
  };
  // The rest of the bucket is written all the time: the lease, and when nodes were last heard.
  const watch = await bucket.watch(onEntry, {
    prefixes: [...sets.map(({ watched }) => watched.prefix), recoveryPrefix],
    begin: ({ lost }) => {
      isInPass = true;
      recovery.beginPass(lost);
      for (const set of sets) set.watched.beginPass(lost);
    },
    complete: () => {
      isInPass = false;
      const short = sets.filter(set => set.watched.completePass());
      if (short.length > 0) {
        const kinds = short.map(({ watched }) => watched.prefix);
        retry.log.warn(
          { kinds },
          'the store lost records of the cluster; the watching requester writes them again',
        );
        recovery.begin(writeMissing);
      }
      forgetDeleted();
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
  const work = async () => {
    for (const set of sets) await set.restore({ onlyMissing: true });
  };
  const failureText = 'lost records of the cluster cannot be written again yet; trying again';
  await retryOnBrokerError(work, { ...retry, failureText }).catch(err =>
    log.error({ err }, 'lost records of the cluster could not be written again'),
  );
}
