// Makes a backup of the requester of this machine, while it runs.
import { hostname } from 'node:os';
import { roleFolder } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { BackupWriter } from '../requester/backup/backup-writer.ts';
import { type BackupSummary, type CopyMoment, takeBackup } from '../requester/backup/take-backup.ts';
import { clusterBucket, readClusterId } from '../requester/cluster/cluster-bucket.ts';
import { Freeze } from '../requester/freeze/freeze.ts';
import type { FreezeHolder } from '../requester/freeze/freeze-record.ts';
import type { RequesterStatus } from '../requester/status/requester-status.ts';
import { systemClock } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { silentLog } from '../system/log.ts';
import { readNodeId } from '../system/node-id.ts';
import { systemRandom } from '../system/random.ts';
import type { Credentials } from '../transport/credentials.ts';
import { connect } from '../transport/nats.ts';
import { BrokerError, type CopyingConnection } from '../transport/port.ts';
import type { TlsFiles } from '../transport/tls.ts';

/** How the requester reaches its broker. */
export interface BrokerWay {
  readonly servers: readonly string[];
  readonly credentials: Credentials;
  readonly tls: TlsFiles | undefined;
}

/** Time that the broker has to let us in, in milliseconds. */
const connectTimeoutMs = 10_000;

export interface BackupOptions {
  path: string;
  /** The data folder. */
  data: string;
  settings: Pick<Settings, 'node'>;
  /** The status of the requester that runs here; undefined when none runs. */
  running: RequesterStatus | undefined;
  way: BrokerWay;
}

/** Writes the backup to `path`, and returns what it contains. Changes nothing else. @throws MusterError */
export async function backUp(options: BackupOptions): Promise<BackupSummary> {
  try {
    return await copyAll(options);
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    throw new MusterError('unreachable', `the store cannot be copied: ${error.message}`, {
      hint: 'no backup was made; see what is wrong by muster status, and try again when the store answers',
      cause: error,
    });
  }
}

async function copyAll({ path, data, settings, running, way }: BackupOptions): Promise<BackupSummary> {
  await using cleanup = new AsyncDisposableStack();
  const connection = await connectOnce(way);
  cleanup.defer(() => connection.close(300));
  const storage = await connection.storage();
  const copies = await connection.copies();
  if (!(await copies.counts(`KV_${clusterBucket.name}`))) throw nothingThere();
  const bucket = await storage.bucket(clusterBucket);
  const cluster = await readClusterId(bucket);
  if (cluster === undefined) throw nothingThere();
  const folders = { requester: roleFolder(data, 'requester'), broker: roleFolder(data, 'broker') };
  const requester = running?.node ?? settings.node.id ?? (await readNodeId(folders.requester)) ?? 'unknown';
  const writer = await BackupWriter.create(path);
  cleanup.defer(() => writer.discard());
  const freeze = await Freeze.begin({
    connection,
    bucket,
    clusterId: cluster,
    holder: freezeHolder(requester),
    purpose: 'backup',
    clock: systemClock,
    random: systemRandom,
  });
  cleanup.defer(() => freeze.end());
  const moment: CopyMoment = {
    recordsCopied: async () => {
      await freeze.confirm('records');
      await freeze.releaseRecords();
    },
    eventsCopied: async () => {
      await freeze.confirm('events');
      await freeze.end();
    },
  };
  const about = { cluster, requester };
  return await takeBackup({ writer, copies, moment, folders, about, clock: systemClock });
}

/** Returns who this command is for those whose writes it holds. */
export const freezeHolder = (requester: string): FreezeHolder => ({
  requester,
  host: hostname(),
  pid: process.pid,
  since: systemClock.now().toISOString(),
});

/** Connects to a broker. The caller closes the connection. @throws MusterError `unreachable` with the reason */
export async function connectOnce({ servers, credentials, tls }: BrokerWay): Promise<CopyingConnection> {
  const connection = connect({
    servers,
    name: 'muster backup',
    credentials: () => credentials,
    tls: () => tls,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  try {
    await connection.connected(AbortSignal.timeout(connectTimeoutMs));
    return connection;
  } catch (error) {
    const { state } = connection;
    await connection.close(0);
    if (!(error instanceof BrokerError)) throw error;
    const reason = state.kind === 'disconnected' ? state.reason : error.message;
    throw new MusterError('unreachable', `the broker of the requester cannot be reached: ${reason}`, {
      hint: 'start the requester, which starts its broker; see also: muster doctor',
      cause: error,
    });
  }
}

const nothingThere = (): MusterError =>
  new MusterError('not_found', 'the broker has no store of muster, so there is nothing to back up', {
    hint: 'start the requester once, and see: muster status',
  });
