// Finds the state of this machine's requester, for a command that replaces it while the requester does not run.
import type { LoadedSettings } from '../../config/load.ts';
import { dataFolder } from '../../config/paths.ts';
import { isRoot, refuseSharedFiles } from '../../roles/refused-paths.ts';
import { roleLog } from '../../roles/role-log.ts';
import { checkPrivateState } from '../../service/private-state.ts';
import type { Log } from '../../system/log.ts';
import type { Argv, FlagTable } from '../line/command.ts';

export interface StoppedRequester {
  /** The data folder. */
  data: string;
  settings: LoadedSettings['settings'];
  log: Log;
}

/** @throws MusterError `bad_config` when others may change what root would run, and what keeps the state from being written */
export async function findStoppedRequester(load: Argv<FlagTable, string>['load']): Promise<StoppedRequester> {
  const read = await load({ role: 'requester' });
  await refuseSharedFiles('requester', read);
  const { settings } = read;
  const data = await dataFolder(settings);
  if (!isRoot()) await checkPrivateState(data);
  // That a broker starts and stops on the way is nothing to tell.
  return { data, settings, log: roleLog({ log: { ...settings.log, level: 'warn' } }, 'requester') };
}
