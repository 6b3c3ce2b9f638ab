// Makes the streams of a backup again in the broker's store, and makes them fit to go on with.
import { MusterError } from '../../system/errors.ts';
import type { Storage, StreamCopies } from '../../transport/port.ts';
import { clusterBucket, readClusterId } from '../cluster/cluster-bucket.ts';
import { forgetFreeze } from '../freeze/freeze-record.ts';
import { forgetIncarnation } from '../incarnation.ts';
import { noteRestore, type RestoreNote } from '../ledger/restore-record.ts';
import { forgetMadeStreams } from '../made-streams.ts';
import { backedUpStreams } from './backup-contents.ts';
import type { StreamPart } from './backup-format.ts';
import type { Backup } from './backup-reader.ts';
import { isWhole } from './whole-stream.ts';

export interface RestoreStreamsOptions {
  backup: Pick<Backup, 'list' | 'streams' | 'read'>;
  copies: StreamCopies;
  storage: Storage;
  /** Number of servers that store each stream; undefined for as many as in the backup. */
  replicas: number | undefined;
  /** Signs that the store was restored on purpose; undefined when it is put back because something failed. */
  note: RestoreNote | undefined;
}

/** How far the bucket of the cluster is after a restore. */
export interface RestoredStore {
  created: string;
  revision: number;
  /** The time in the record of this restore, in milliseconds since 1970; 0 when there is none. */
  restoredAtMs: number;
}

/**
 * Restores all streams, and compares what the broker has then with what was copied. There must be none of them yet. When it
 * fails, none of them is left. @throws BrokerError; MusterError `failed`
 */
export async function restoreStreams(options: RestoreStreamsOptions): Promise<RestoredStore> {
  const { backup, copies, storage, note } = options;
  const made: string[] = [];
  try {
    for (const part of backup.streams()) {
      await restoreStream(part, options);
      made.push(part.name);
    }
    await removeLaterEvents(options);
    const bucket = await storage.bucket(clusterBucket);
    const cluster = await readClusterId(bucket);
    if (cluster !== backup.list.cluster)
      throw new MusterError(
        'failed',
        `the records in the backup are of another cluster: ${cluster ?? 'none'}`,
      );
    // Revisions go on from those of the backup, and may be given a second time.
    await forgetIncarnation(bucket);
    await forgetFreeze(bucket);
    await forgetMadeStreams(bucket);
    const restoredAtMs = note ? await noteRestore(bucket, cluster, note) : 0;
    const { created, lastRevision: revision } = await bucket.state();
    return { created, revision, restoredAtMs };
  } catch (error) {
    for (const name of made) await copies.remove(name).catch(() => undefined);
    throw error;
  }
}

async function restoreStream(
  part: StreamPart,
  { backup, copies, replicas }: RestoreStreamsOptions,
): Promise<void> {
  const { name, state, messages, lastSequence } = part;
  const config = replicas === undefined ? part.config : { ...part.config, num_replicas: replicas };
  const found = await copies.restore({ stream: name, config, state }, backup.read(name));
  if (isWhole(part, found)) return;
  await copies.remove(name).catch(() => undefined);
  throw new MusterError(
    'failed',
    `the broker has ${found.messages} messages of ${name} up to number ${found.lastSequence}, and the backup ${messages} up to ${lastSequence}`,
    { hint: 'nothing was changed; try again, or use another backup' },
  );
}

// Events that came after the records were copied tell of records that the backup does not have.
async function removeLaterEvents({ backup, copies }: RestoreStreamsOptions): Promise<void> {
  const { eventsUntil } = backup.list;
  const name = backedUpStreams[2];
  const newest = backup.streams().find(part => part.name === name)?.lastSequence ?? 0;
  for (let sequence = eventsUntil + 1; sequence <= newest; sequence++)
    await copies.removeMessage(name, sequence);
}
