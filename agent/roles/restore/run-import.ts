// Takes over the nodes of a Bacalhau orchestrator into the broker of a requester that has not run yet.
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { brokerFiles } from '../../broker/broker-files.ts';
import { stopOrphan } from '../../broker/orphan.ts';
import type { Settings } from '../../config/settings.ts';
import { loadTokenFile, tokenFiles } from '../../requester/enrolment/token-file.ts';
import { isNodeKey, nodeBucket, readEntry } from '../../requester/roll/store.ts';
import { systemClock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { makeFolder, writeFileAtomic } from '../../system/files.ts';
import type { Log } from '../../system/log.ts';
import { readBounded } from '../../system/read-file.ts';
import { removeTree } from '../../system/remove-tree.ts';
import type { CopyingConnection } from '../../transport/port.ts';
import { nameBrokerError } from '../name-broker-error.ts';
import { withStoreBroker } from '../store-broker.ts';
import { copyBucket, findBucket } from './bacalhau-bucket.ts';
import { exists } from './present-state.ts';
import { Staging } from './staging.ts';

export interface ImportOptions {
  /** The data folder of the orchestrator, or its folder `nats-store`. */
  from: string;
  /** The file with the token that the nodes of the orchestrator show; undefined leaves the requester to make one. */
  tokenFile: string | undefined;
  /** The data folder of the requester. */
  data: string;
  settings: Pick<Settings, 'broker' | 'nats'>;
  log: Log;
  signal: AbortSignal;
}

/** What was taken over. */
export interface Imported {
  /** How many nodes have each membership, by its name; one that Bacalhau did not know is empty. */
  nodes: Map<string, number>;
  /** The ids of the orchestrators, of which the imported one is gone. */
  orchestrators: string[];
  /** The keys of records that muster leaves alone, because they cannot be read or the id is not one of muster. */
  left: string[];
}

/** Changes nothing in the folder of the orchestrator. @throws MusterError; then nothing has changed */
export const importStore = (options: ImportOptions): Promise<Imported> =>
  nameBrokerError(
    'the broker could not read what was copied',
    'nothing was changed; see muster doctor, and whether the orchestrator had stopped',
    () => checkAndImport(options),
  );

async function checkAndImport(options: ImportOptions): Promise<Imported> {
  const { from, tokenFile, data, settings, log, signal } = options;
  if (settings.nats.servers.length > 0)
    throw new MusterError('usage', 'with nats.servers, the store is on that NATS, and nothing is imported', {
      hint: 'start a nats-server on the store of the orchestrator, and point nats.servers to it',
    });
  const bucket = await findBucket(from);
  await using cleanup = new AsyncDisposableStack();
  const staging = await Staging.open(data);
  cleanup.defer(() => staging.close());
  const { present, staged } = staging;
  if ((await staging.hasState()) || (await exists(brokerFiles(present.broker).store)))
    throw new MusterError('conflict', `a requester has run in ${data}: an import is for a new one`, {
      hint: 'choose another folder with dataDir, or back it up and move its folders requester and broker away',
    });
  await makeFolder(staged.broker);
  await stopOrphan(brokerFiles(staged.broker), { clock: systemClock, log, signal });
  await removeTree(staged.broker);
  await makeFolder(staged.broker);
  await copyBucket(bucket, staged.broker);
  if (tokenFile !== undefined) await takeToken(tokenFile, staged.requester);
  const imported = await withStoreBroker({ settings, log, signal, folder: staged.broker }, readImported);
  await unlink(join(staged.broker, 'port')).catch(() => undefined);
  await staging.refuseStarted();
  await staging.takePlace(['broker', 'requester']);
  return imported;
}

/** Puts the token where the requester reads it. @throws MusterError `not_found`, `bad_state` */
async function takeToken(file: string, requesterFolder: string): Promise<void> {
  const token = await readBounded(file, 1024);
  if (!token) throw new MusterError('not_found', `there is no file ${file}, or it is too large for a token`);
  const path = join(requesterFolder, tokenFiles.unverified);
  await writeFileAtomic(path, token);
  await loadTokenFile(path).catch(error => {
    throw new MusterError('bad_state', `${file} does not contain a token that muster takes`, {
      hint: '16 to 512 printable characters without spaces; leave it out, and give the nodes what muster broker bacalhau prints',
      cause: error,
    });
  });
}

async function readImported(connection: CopyingConnection): Promise<Imported> {
  const imported: Imported = { nodes: new Map(), orchestrators: [], left: [] };
  // The server leaves out a bucket that it cannot read, and an empty one would be made in its place.
  if (!(await (await connection.copies()).counts(`KV_${nodeBucket.name}`)))
    throw new MusterError('bad_state', 'nats-server cannot read the bucket of the orchestrator', {
      hint: 'nothing was changed; start and stop the orchestrator once, and try again',
    });
  const bucket = await (await connection.storage()).bucket(nodeBucket);
  const watch = await bucket.watch(entry => {
    if (entry.marker) return;
    const stored = isNodeKey(entry.key) ? readEntry(entry) : undefined;
    if (stored?.kind !== 'record') imported.left.push(entry.key);
    else if (stored.state.Info.NodeType === 'Requester') imported.orchestrators.push(entry.key);
    else {
      const { Membership } = stored.state;
      imported.nodes.set(Membership, (imported.nodes.get(Membership) ?? 0) + 1);
    }
  });
  try {
    await watch.ready;
  } finally {
    watch.stop();
  }
  return imported;
}
