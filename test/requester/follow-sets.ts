// Lets sets of records follow a bucket of a broker in memory, as the requester does.
import { type FollowingSet, followRecords } from '../../agent/requester/cluster/record-follower.ts';
import { Recovery } from '../../agent/requester/cluster/recovery.ts';
import { noteChange } from '../../agent/requester/operations/note-change.ts';
import { systemRandom } from '../../agent/system/random.ts';
import type { Bucket } from '../../agent/transport/port.ts';
import type { FakeBroker } from '../support/fake-connection.ts';
import { recordLog } from '../support/log-lines.ts';

/** Reads the records of `sets`, and follows them until it is stopped. By default, the requester watches. */
export const followSets = (
  broker: FakeBroker,
  bucket: Bucket,
  sets: readonly FollowingSet[],
  recovery = recoveryOf(bucket, { isHeld: true }),
) =>
  followRecords(bucket, sets, recovery, {
    connection: broker.connect(),
    clock: broker.clock,
    random: systemRandom,
    log: recordLog().log,
    signal: new AbortController().signal,
  });

/** Returns what writes lost records again while the lease is held. */
export const recoveryOf = (
  bucket: Bucket,
  lease: { isHeld: boolean },
  onConfirmed?: (revision: number) => void,
) =>
  new Recovery({
    noteConfirmed: (key, act) => noteChange(bucket, key, 'store_confirmed', act),
    bucket,
    lease,
    requesterId: 'r',
    log: recordLog().log,
    ...(onConfirmed ? { onConfirmed } : {}),
  });
