// Does the first steps of each role: reads the settings, opens the log, and creates the folders.
import type { LoadedSettings } from '../config/load.ts';
import { dataFolder, roleFolder, runtimeFolder } from '../config/paths.ts';
import type { Role } from '../config/role.ts';
import type { Settings } from '../config/settings.ts';
import { checkPrivateState } from '../service/private-state.ts';
import { withSandboxHint } from '../service/sandbox.ts';
import { makeFolder } from '../system/files.ts';
import type { createLog } from '../system/log.ts';
import { finishExchange } from './exchange-folders.ts';
import { refuseSharedFiles, refuseSharedFolders, warnOfSharedFolder } from './refused-paths.ts';
import { roleLog } from './role-log.ts';

export interface RoleStart {
  settings: Settings;
  log: ReturnType<typeof createLog>;
  /** The data folder, which all roles share. */
  data: string;
  /** The role's own folder. */
  folder: string;
  /** The folder of the role's socket. */
  runtime: string;
}

/**
 * Does the first steps, and logs the warnings about the settings. Throws MusterError when the settings or the folders
 * prevent a start.
 */
export async function startRole(role: Role, load: () => Promise<LoadedSettings>): Promise<RoleStart> {
  const loaded = await load();
  const { settings, warnings } = loaded;
  const log = roleLog(settings, role);
  for (const warning of warnings) log.warn({}, warning);
  const data = await dataFolder(settings);
  await checkPrivateState(data);
  await refuseSharedFiles(role, loaded);
  await refuseSharedFolders(role, data);
  if (role === 'requester') await finishExchange(data);
  const folder = roleFolder(data, role);
  const runtime = runtimeFolder(data, role);
  await withSandboxHint(role, data, async () => {
    await makeFolder(folder);
    await makeFolder(runtime);
  });
  // Somebody else may have made the folder in the meantime, for example in /tmp.
  await refuseSharedFolders(role, data);
  const warning = await warnOfSharedFolder(role, data);
  if (warning) log.warn({}, warning);
  return { settings, log, data, folder, runtime };
}
