// Runs the broker of `muster dev` with several requesters in a process of its own, so that it outlives each of them.
import { takeNotifyRequest } from '../config/environment.ts';
import type { LoadedSettings } from '../config/load.ts';
import { runtimeFolder } from '../config/paths.ts';
import { MusterError } from '../system/errors.ts';
import { removeLeftovers } from '../system/files.ts';
import { askHolder } from '../system/role-socket.ts';
import { describeHolder } from './describe-holder.ts';
import { lifetime, sendReady } from './lifetime.ts';
import { loadAccess, startOwnBroker } from './requester-broker.ts';
import { startRole } from './start-role.ts';

/** Time that the broker has to end, in milliseconds. */
const stopTimeoutMs = 1_200;

/**
 * Runs the broker in the data folder of the first requester, until it is told to stop, and returns the exit code. Throws
 * MusterError when it cannot start.
 */
export async function runDevBroker(load: () => Promise<LoadedSettings>): Promise<number> {
  takeNotifyRequest();
  const { settings, log, data, folder } = await startRole('requester', load);
  const status = await askHolder(runtimeFolder(data, 'requester'), { command: 'status' });
  // A requester with its own broker may use the folder.
  if (status !== undefined)
    throw new MusterError('in_use', `another requester holds ${folder}: ${describeHolder(status)}`);
  await removeLeftovers(folder);
  const life = lifetime(log);
  try {
    const access = await loadAccess(folder, settings);
    const node = settings.node.id ?? 'dev';
    const broker = await startOwnBroker({ settings, log, data, folder, node, access, signal: life.signal });
    const servers = broker?.servers;
    sendReady({ ready: { role: 'broker', node, broker: broker?.url, caFile: broker?.caFile, servers } });
    await life.stopRequested;
    await broker?.stop(stopTimeoutMs);
  } catch (error) {
    // When the process must stop, the start of the broker ends by throwing this reason.
    if (error !== life.signal.reason) throw error;
  }
  return 0;
}
