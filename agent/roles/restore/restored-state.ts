// Makes what a restore puts in the place of what is there: the streams on a broker, and the folder of the requester.
import { join } from 'node:path';
import { accessFiles, parseIssuer } from '../../broker/broker-access.ts';
import type { Settings } from '../../config/settings.ts';
import type { Backup } from '../../requester/backup/backup-reader.ts';
import { restoreFiles, restoreMark } from '../../requester/backup/restore-folder.ts';
import { type RestoredStore, restoreStreams } from '../../requester/backup/restore-streams.ts';
import { ledgerFileName } from '../../requester/ledger/ledger.ts';
import { type RestoreNote, restoredAtMs } from '../../requester/ledger/restore-record.ts';
import { systemClock } from '../../system/clock.ts';
import { makeFolder } from '../../system/files.ts';
import type { Log } from '../../system/log.ts';
import { removeTree } from '../../system/remove-tree.ts';
import type { BucketEntry, CopyingConnection } from '../../transport/port.ts';
import { clusterOfFolder, readFolderMark } from './present-state.ts';
import type { Staging } from './staging.ts';

export interface RestoreOptions {
  path: string;
  /** The data folder. */
  data: string;
  settings: Pick<Settings, 'broker' | 'nats'>;
  /** The id of the cluster that may be replaced; undefined when nothing may be. */
  replace: string | undefined;
  replicas: number | undefined;
  log: Log;
  signal: AbortSignal;
}

/** A restore under way. */
export interface RestoreRun extends RestoreOptions {
  backup: Backup;
  staging: Staging;
}

/** Makes the streams of the backup. `replaced` is what the store that they replace says of an earlier restore. */
export async function restoreInto(
  connection: CopyingConnection,
  run: RestoreRun,
  { replicas, replaced }: { replicas: number | undefined; replaced: BucketEntry | undefined },
): Promise<RestoredStore> {
  const { backup } = run;
  const [copies, storage] = [await connection.copies(), await connection.storage()];
  const note = await restoreNote(run, replaced);
  return restoreStreams({ backup, copies, storage, replicas, note });
}

/** Writes the requester's folder for the restored streams, in its staging. @throws MusterError */
export async function finishFolder(
  { backup, staging: { present, staged } }: RestoreRun,
  restored: RestoredStore,
): Promise<void> {
  await removeTree(staged.requester);
  await makeFolder(staged.requester);
  const isSame = (await clusterOfFolder(present.requester)) === backup.list.cluster;
  await restoreFiles(backup, staged, isSame ? join(present.requester, ledgerFileName) : undefined);
  await restoreMark(backup, staged.requester, restored, systemClock.now());
}

/** Returns what the other requesters of the roll believe; undefined for a backup without the key that they share. */
async function restoreNote(
  { backup, staging: { present } }: RestoreRun,
  replaced: BucketEntry | undefined,
): Promise<RestoreNote | undefined> {
  const { cluster } = backup.list;
  const data = await backup.readFile(accessFiles.issuer);
  if (!data) return undefined;
  const issuer = parseIssuer(data);
  const mark = await readFolderMark(present.requester);
  const markedMs = mark?.cluster === cluster ? (mark.newestRestoreAtMs ?? 0) : 0;
  const knownMs = Math.max(markedMs, restoredAtMs(replaced, cluster, issuer.publicKey));
  return { issuer, nowMs: systemClock.now().getTime(), knownMs };
}
