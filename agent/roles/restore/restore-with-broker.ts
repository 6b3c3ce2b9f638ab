// Restores a requester with a broker of its own: that starts once beside the present folder, and takes the streams.
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { brokerFiles } from '../../broker/broker-files.ts';
import { stopOrphan } from '../../broker/orphan.ts';
import { findLivingStore } from '../../requester/backup/living-store.ts';
import { restoreBrokerPort } from '../../requester/backup/restore-folder.ts';
import { systemClock } from '../../system/clock.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { makeFolder } from '../../system/files.ts';
import { removeTree } from '../../system/remove-tree.ts';
import { withStoreBroker } from '../store-broker.ts';
import { exists } from './present-state.ts';
import { type Living, refuseLiving } from './refuse-living.ts';
import { finishFolder, type RestoreRun, restoreInto } from './restored-state.ts';

/** Returns the paths of the earlier folders. @throws MusterError; then what was there is there */
export async function restoreOwnBroker(run: RestoreRun): Promise<string[]> {
  const { backup, staging, replicas } = run;
  const { staged } = staging;
  if (replicas !== undefined && replicas !== 1)
    throw new MusterError('usage', "muster's own broker is one server, so it stores everything once", {
      hint: 'leave --replicas out, or set nats.servers for a NATS of your own',
    });
  await refuseLiving(run, await inspect(run));
  await makeFolder(staged.broker);
  await stopOrphan(brokerFiles(staged.broker), { clock: systemClock, log: run.log, signal: run.signal });
  await removeTree(staged.broker);
  await makeFolder(staged.broker);
  const restored = await withStoreBroker({ ...run, folder: staged.broker }, connection =>
    restoreInto(connection, run, { replicas: 1, replaced: undefined }),
  );
  await unlink(join(staged.broker, 'port')).catch(() => undefined);
  await restoreBrokerPort(backup, staged);
  await finishFolder(run, restored);
  await staging.refuseStarted();
  return staging.takePlace(['broker', 'requester']);
}

/** Reads what the present folders contain; undefined when they contain nothing. */
async function inspect({ staging, settings, log, signal }: RestoreRun): Promise<Living | undefined> {
  const { present, service } = staging;
  if (!(await exists(brokerFiles(present.broker).store)))
    return (await staging.hasState()) ? { unreadable: 'there is no store beside it' } : undefined;
  if (service) return { unreadable: `root starts no broker in a folder of user ${service.uid}` };
  try {
    return await withStoreBroker({ settings, log, signal, folder: present.broker }, async connection =>
      findLivingStore(await connection.copies(), await connection.storage()),
    );
  } catch (error) {
    if (signal.aborted) throw error;
    return { unreadable: reasonOf(error) };
  }
}
