// Restores a requester from a backup, while none runs in its folder. Nothing that is there is deleted before the restored state
// is whole, and the earlier folders stay under another name.
import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { accessFiles, loadBrokerAccess, parseIssuer } from '../broker/broker-access.ts';
import { brokerFiles } from '../broker/broker-files.ts';
import { stopOrphan } from '../broker/orphan.ts';
import { roleFolder } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { leaseSubject, peersSubject } from '../protocol/subjects.ts';
import { backedUpStreams } from '../requester/backup/backup-contents.ts';
import { Backup } from '../requester/backup/backup-reader.ts';
import { BackupWriter } from '../requester/backup/backup-writer.ts';
import { findLivingStore, type LivingStore } from '../requester/backup/living-store.ts';
import {
  type Folders,
  restoreBrokerPort,
  restoreFiles,
  restoreMark,
} from '../requester/backup/restore-folder.ts';
import { type RestoredStore, restoreStreams } from '../requester/backup/restore-streams.ts';
import { takeBackup } from '../requester/backup/take-backup.ts';
import { clusterBucket } from '../requester/cluster/cluster-bucket.ts';
import { ledgerFileName } from '../requester/ledger/ledger.ts';
import { type RestoreNote, restoredAtMs, restoreKey } from '../requester/ledger/restore-record.ts';
import { type Mark, parseMark, storeMarkFileName } from '../requester/ledger/store-mark.ts';
import { systemClock } from '../system/clock.ts';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { makeFolder } from '../system/files.ts';
import type { Log } from '../system/log.ts';
import { readOwnFile } from '../system/read-file.ts';
import { removeTree } from '../system/remove-tree.ts';
import { holdFolder } from '../system/role-socket.ts';
import {
  BrokerError,
  type BucketEntry,
  type CopyingConnection,
  type Storage,
  type StreamCopies,
} from '../transport/port.ts';
import { describeHolder } from './describe-holder.ts';
import { exchangeFolders, finishExchange, type Step } from './exchange-folders.ts';
import { nameBrokerError } from './name-broker-error.ts';
import { refuseSharedFolders } from './refused-paths.ts';
import { connectOnce } from './run-backup.ts';
import { storeAnswer } from './store-answer.ts';
import { withStoreBroker } from './store-broker.ts';

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

/** What was restored, for people. */
export interface RestoreSummary {
  cluster: string;
  requester: string;
  /** The time of the backup. */
  at: string;
  /** The names under which the earlier folders, and the earlier store on a NATS of one's own, are kept. */
  kept: string[];
}

/** Time in which a requester that uses a NATS of one's own answers, in milliseconds. */
const answerTimeoutMs = 2_000;

/** Checks everything first, then restores. @throws BackupError, MusterError; then what was there is there */
export const restore = (options: RestoreOptions): Promise<RestoreSummary> =>
  nameBrokerError(
    'the broker did not carry out the restore',
    'what was there is there, or in a file store-before-….backup in the data folder; see muster doctor, and try again when the broker stores again',
    () => checkAndRestore(options),
  );

async function checkAndRestore(options: RestoreOptions): Promise<RestoreSummary> {
  const { path, data, settings } = options;
  await using cleanup = new AsyncDisposableStack();
  const backup = await Backup.open(path);
  cleanup.defer(() => backup.close());
  await refuseSharedFolders('requester', data);
  await finishExchange(data);
  const present = foldersIn(data);
  await makeFolder(present.requester);
  const lock = await holdFolder(
    present.requester,
    () => ({ role: 'requester', pid: process.pid, state: 'starting', reason: 'a backup is being restored' }),
    status => `a requester uses ${present.requester}: ${describeHolder(status)}`,
  );
  cleanup.defer(() => lock.close());
  const staged = foldersIn(data, stagedSuffix);
  await removeTree(staged.requester);
  await makeFolder(staged.requester);
  // After a success these folders have another name.
  cleanup.defer(async () => void (await Promise.all(Object.values(staged).map(removeTree))));
  const run = { ...options, backup, present, staged };
  const isOwnNats = settings.nats.servers.length > 0;
  const kept = isOwnNats ? await restoreOnOwnNats(run) : await restoreOwnBroker(run);
  const { cluster, requester, at } = backup.list;
  return { cluster, requester, at, kept };
}

interface Run extends RestoreOptions {
  backup: Backup;
  present: Folders;
  /** Where the restored state is made before it takes its place. */
  staged: Folders;
}

const stagedSuffix = '.restored';

function foldersIn(data: string, suffix = ''): Folders {
  return {
    requester: `${roleFolder(data, 'requester')}${suffix}`,
    broker: `${roleFolder(data, 'broker')}${suffix}`,
  };
}

async function restoreOwnBroker(run: Run): Promise<string[]> {
  const { backup, staged, replicas } = run;
  if (replicas !== undefined && replicas !== 1)
    throw new MusterError('usage', "muster's own broker is one server, so it stores everything once", {
      hint: 'leave --replicas out, or set nats.servers for a NATS of your own',
    });
  await refuseLiving(run, await inspectOwnBroker(run));
  await makeFolder(staged.broker);
  await stopOrphan(brokerFiles(staged.broker), systemClock, run.log, run.signal);
  await removeTree(staged.broker);
  await makeFolder(staged.broker);
  const restored = await withStoreBroker({ ...run, folder: staged.broker }, connection =>
    restoreInto(connection, run, { replicas: 1, replaced: undefined }),
  );
  await unlink(join(staged.broker, 'port')).catch(() => undefined);
  await restoreBrokerPort(backup, staged);
  await finishFolder(run, restored);
  return takePlace(run, ['broker', 'requester']);
}

/** Reads what the present folders contain; undefined when they contain nothing. */
async function inspectOwnBroker(run: Run): Promise<LivingStore | { unreadable: string } | undefined> {
  const { broker } = run.present;
  const hasStore = await exists(brokerFiles(broker).store);
  if (!hasStore) return (await hasState(run)) ? { unreadable: 'there is no store beside it' } : undefined;
  try {
    return await withStoreBroker({ ...run, folder: broker }, async connection =>
      findLivingStore(await connection.copies(), await connection.storage()),
    );
  } catch (error) {
    if (run.signal.aborted) throw error;
    return { unreadable: reasonOf(error) };
  }
}

async function restoreOnOwnNats(run: Run): Promise<string[]> {
  const { backup, present, staged, settings, replicas, data } = run;
  await restoreFiles(backup, staged, undefined);
  const { requester: key } = await loadBrokerAccess(staged.requester);
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
      living ?? ((await hasState(run)) ? { unreadable: 'it has no store' } : undefined),
    );
    const kept: string[] = [];
    let before: Backup | undefined;
    if (living) {
      // Streams cannot be renamed, so what is there is kept in a file.
      const path = join(data, `store-before-${stamp()}.backup`);
      const writer = await BackupWriter.create(path);
      try {
        const about = { cluster: living.cluster ?? 'unknown', requester: 'unknown' };
        await takeBackup({ writer, copies, moment: undefined, folders: present, about, clock: systemClock });
      } finally {
        await writer.discard();
      }
      kept.push(path);
      before = await Backup.open(path);
    }
    const replaced =
      living?.cluster === backup.list.cluster
        ? await (await storage.bucket(clusterBucket)).get(restoreKey)
        : undefined;
    try {
      for (const name of backedUpStreams) await copies.remove(name);
      const restored = await restoreInto(connection, run, { replicas, replaced });
      await finishFolder(run, restored);
    } catch (error) {
      if (before) await putBack(before, copies, storage);
      throw error;
    } finally {
      await before?.close();
    }
    return [...kept, ...(await takePlace(run, ['requester']))];
  } finally {
    await connection.close(300);
  }
}

/** Makes the streams again that were there before. */
async function putBack(before: Backup, copies: StreamCopies, storage: Storage): Promise<void> {
  for (const name of backedUpStreams) await copies.remove(name);
  await restoreStreams({ backup: before, copies, storage, replicas: undefined, note: undefined });
}

/** Makes the streams of the backup. `replaced` is what the store that they replace says of an earlier restore. */
async function restoreInto(
  connection: CopyingConnection,
  run: Run,
  { replicas, replaced }: { replicas: number | undefined; replaced: BucketEntry | undefined },
): Promise<RestoredStore> {
  const { backup } = run;
  const [copies, storage] = [await connection.copies(), await connection.storage()];
  const note = await restoreNote(run, replaced);
  return restoreStreams({ backup, copies, storage, replicas, note });
}

/** Returns what the other requesters of the roll believe; undefined for a backup without the key that they share. */
async function restoreNote(
  { backup, present }: Run,
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

/** Writes the requester's folder beside the present one. */
async function finishFolder(run: Run, restored: RestoredStore): Promise<void> {
  const { backup, present, staged } = run;
  await removeTree(staged.requester);
  await makeFolder(staged.requester);
  const isSame = (await clusterOfFolder(present.requester)) === backup.list.cluster;
  await restoreFiles(backup, staged, isSame ? join(present.requester, ledgerFileName) : undefined);
  await restoreMark(backup, staged.requester, restored, systemClock.now());
}

/** Puts the restored folders in their place. Returns the paths of the earlier ones that held something. */
async function takePlace(run: Run, roles: readonly ('broker' | 'requester')[]): Promise<string[]> {
  const { data, present } = run;
  const aside = `before-${stamp()}`;
  const steps: Step[] = [];
  const kept: string[] = [];
  const keepsRequester = await hasState(run);
  for (const role of roles) {
    if (await exists(present[role])) {
      steps.push({ from: role, to: `${role}.${aside}` });
      if (role === 'broker' || keepsRequester) kept.push(`${present[role]}.${aside}`);
    }
    steps.push({ from: `${role}${stagedSuffix}`, to: role });
  }
  await exchangeFolders(data, steps);
  // The lock of this process went away with the folder that it held, which nobody may hold any more.
  const earlier = `${present.requester}.${aside}`;
  for (const name of await readdir(earlier).catch((): string[] => []))
    if (name.endsWith('.sock')) await unlink(join(earlier, name)).catch(() => undefined);
  if (!keepsRequester) await removeTree(earlier);
  return kept;
}

/** Returns whether the present folder of the requester contains anything but locks. */
async function hasState({ present }: Run): Promise<boolean> {
  const names = await readdir(present.requester).catch((): string[] => []);
  return names.some(name => !name.startsWith('.') && !name.endsWith('.sock'));
}

/** Refuses to replace a store, unless the operator named its cluster. */
async function refuseLiving(
  { replace, backup, present }: Run,
  living: LivingStore | { unreadable: string } | undefined,
): Promise<void> {
  if (!living) return;
  const isReadable = !('unreadable' in living);
  const cluster =
    (isReadable ? living.cluster : undefined) ?? (await clusterOfFolder(present.requester)) ?? 'unknown';
  if (replace === cluster) return;
  const what = isReadable
    ? `the store of cluster ${cluster}, with ${count(living.nodes, 'node')} and ${count(living.events, 'event')}${newer(living, backup)}`
    : `the state of cluster ${cluster} in ${present.requester}, whose store cannot be read (${living.unreadable})`;
  throw new MusterError('conflict', `this would replace ${what}`, {
    hint:
      replace === undefined
        ? `nothing was changed; to replace it all the same: --replace ${cluster}`
        : `nothing was changed; --replace names another cluster: ${replace}`,
  });
}

function newer({ newestAt }: LivingStore, { list }: Backup): string {
  const minutes = newestAt ? Math.round((newestAt.getTime() - Date.parse(list.at)) / 60_000) : 0;
  if (minutes < 1) return '';
  const hours = Math.round(minutes / 60);
  const span =
    minutes < 120
      ? count(minutes, 'minute')
      : hours < 48
        ? count(hours, 'hour')
        : count(Math.round(hours / 24), 'day');
  return `; the newest of it came ${span} after the backup`;
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

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

/** Returns the cluster of a requester's folder, by its store mark; undefined when there is none that can be read. */
const clusterOfFolder = async (folder: string): Promise<string | undefined> =>
  (await readFolderMark(folder))?.cluster;

async function readFolderMark(folder: string): Promise<Mark | undefined> {
  const kept = await readOwnFile(join(folder, storeMarkFileName));
  try {
    return kept && parseMark(kept.data);
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    error => {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    },
  );
}

/** Returns the present time for the name of a file, such as `20261128-173000`. */
const stamp = (): string =>
  systemClock.now().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
