// Restores a requester on a NATS of one's own, whose streams it replaces. What was there is kept in a file first, and made again
// when the restore fails.
import { join } from 'node:path';
import { loadBrokerAccess } from '../../broker/broker-access.ts';
import { leaseSubject, peersSubject } from '../../protocol/subjects.ts';
import { backedUpStreams } from '../../requester/backup/backup-contents.ts';
import { Backup } from '../../requester/backup/backup-reader.ts';
import { BackupWriter } from '../../requester/backup/backup-writer.ts';
import { findLivingStore } from '../../requester/backup/living-store.ts';
import { restoreFiles } from '../../requester/backup/restore-folder.ts';
import { restoreStreams } from '../../requester/backup/restore-streams.ts';
import { takeBackup } from '../../requester/backup/take-backup.ts';
import { clusterBucket } from '../../requester/cluster/cluster-bucket.ts';
import { restoreKey } from '../../requester/ledger/restore-record.ts';
import { systemClock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import {
  BrokerError,
  type CopyingConnection,
  type Storage,
  type StreamCopies,
} from '../../transport/port.ts';
import { connectOnce } from '../run-backup.ts';
import { storeAnswer } from '../store-answer.ts';
import { nowInName } from './present-state.ts';
import { refuseLiving } from './refuse-living.ts';
import { finishFolder, type RestoreRun, restoreInto } from './restored-state.ts';

/** Time in which a requester that uses this NATS answers, in milliseconds. */
const answerTimeoutMs = 2_000;

/** Returns the paths of the earlier folder and of the file with the earlier streams. @throws MusterError */
export async function restoreOnOwnNats(run: RestoreRun): Promise<string[]> {
  const { backup, staging, settings, replicas } = run;
  await restoreFiles(backup, staging.staged, undefined);
  const { requester: key } = await loadBrokerAccess(staging.staged.requester);
  const way = {
    servers: settings.nats.servers,
    credentials: { ...settings.nats, key },
    tls: settings.nats.tls,
  };
  const connection = await connectOnce(way);
  try {
    const [copies, storage] = [await connection.copies(), await connection.storage()];
    const living = await storeAnswer(systemClock, () => findLivingStore(copies, storage));
    await refuseRunning(connection, living?.cluster ?? backup.list.cluster);
    await refuseLiving(
      run,
      living ?? ((await staging.hasState()) ? { unreadable: 'it has no store' } : undefined),
    );
    await using before = living && (await keepStreams(run, copies, living.cluster));
    const replaced =
      living?.cluster === backup.list.cluster
        ? await (await storage.bucket(clusterBucket)).get(restoreKey)
        : undefined;
    await staging.refuseStarted();
    try {
      for (const name of backedUpStreams) await copies.remove(name);
      const restored = await restoreInto(connection, run, { replicas, replaced });
      await finishFolder(run, restored);
      await staging.refuseStarted();
    } catch (error) {
      if (before) await putBack(before.backup, copies, storage);
      throw error;
    }
    return [...(before ? [before.path] : []), ...(await staging.takePlace(['requester']))];
  } finally {
    await connection.close(300);
  }
}

/** A file with the streams that a restore replaces. */
interface KeptStreams extends AsyncDisposable {
  path: string;
  backup: Backup;
}

/** Streams cannot be renamed, so what is there is kept in a file of the data folder. */
async function keepStreams(
  { staging }: RestoreRun,
  copies: StreamCopies,
  cluster: string | undefined,
): Promise<KeptStreams> {
  const name = `store-before-${nowInName()}.backup`;
  const made = join(staging.folder, name);
  const writer = await BackupWriter.create(made);
  try {
    const about = { cluster: cluster ?? 'unknown', requester: 'unknown' };
    const folders = staging.present;
    await takeBackup({ writer, copies, moment: undefined, folders, about, clock: systemClock });
  } finally {
    await writer.discard();
  }
  // It is opened before a service gets it, so that the streams are made again from what was written.
  const backup = await Backup.open(made);
  try {
    return {
      path: await staging.keep(name),
      backup,
      [Symbol.asyncDispose]: () => backup.close(),
    };
  } catch (error) {
    await backup.close();
    throw error;
  }
}

/** Makes the streams again that were there before. */
async function putBack(before: Backup, copies: StreamCopies, storage: Storage): Promise<void> {
  for (const name of backedUpStreams) await copies.remove(name);
  await restoreStreams({ backup: before, copies, storage, replicas: undefined, note: undefined });
}

/** Refuses to restore a store under a requester that uses it. */
async function refuseRunning(connection: CopyingConnection, cluster: string): Promise<void> {
  // Each requester listens on the first subject. One of an earlier version listens on the second.
  for (const subject of [peersSubject(cluster), leaseSubject(cluster)])
    if (await isHeard(connection, subject))
      throw new MusterError('in_use', `a requester keeps the roll of cluster ${cluster} on this NATS`, {
        hint: 'stop every requester of this cluster first',
      });
}

/** Returns whether anybody listens on a subject, whether or not it answers. */
async function isHeard(connection: CopyingConnection, subject: string): Promise<boolean> {
  try {
    await connection.request(subject, '', answerTimeoutMs);
    return true;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    if (error.fault === 'no_responders') return false;
    if (error.fault === 'timeout') return true;
    throw error;
  }
}
