// The sandbox of systemd's units: a role may write its own folders, and a dataDir elsewhere has to be opened by hand.
import { namedFolders, startedByService, systemEnvironment } from '../config/environment.ts';
import type { Role } from '../config/role.ts';
import { errnoOf, MusterError } from '../system/errors.ts';
import { unitName } from './scope.ts';

/** `ProtectHome=` takes these away altogether: no other line of a unit gives them back. systemd.exec(5) */
const homeFolders = /^\/(home|root|run\/user)(\/|$)/;

/**
 * Does `work`, with which a role takes its folders in `data`. Where a unit's sandbox is in the way, the error says how it is
 * opened: choosing another folder is not what the operator wants, and unlocking it would not help.
 */
export async function withSandboxHint<T>(role: Role, data: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // The units of a user's own have no such folder, and no such sandbox.
    const own = namedFolders(systemEnvironment, 'STATE_DIRECTORY');
    const sandboxed = own.length > 0 && !isIn(data, own) && startedByService(systemEnvironment);
    if (!sandboxed || !(error instanceof MusterError) || error.code !== 'not_writable') throw error;
    if (!['EROFS', 'EACCES', 'EPERM'].includes(errnoOf(error.cause) ?? '')) throw error;
    throw new MusterError(error.code, error.message, { hint: howToOpen(role, data), cause: error });
  }
}

/** Why the unit of `role`, of the whole machine, does not let it keep its state in `data`; undefined when it does. */
export function whyNotWritable(role: Role, data: string): string | undefined {
  const { machine } = systemEnvironment;
  if (isIn(data, [machine.data, machine.cache])) return undefined;
  return `dataDir: ${data} is outside what ${unitName(role)} may write: ${howToOpen(role, data)}`;
}

/** Does the text of a unit, or of a drop-in for it, open more than muster's own does? */
export const widensSandbox = (text: string): boolean =>
  /^\s*((ReadWritePaths|BindPaths)\s*=|ProtectSystem\s*=\s*(?!strict)\S)/m.test(text);

function howToOpen(role: Role, data: string): string {
  if (homeFolders.test(data))
    return 'no service of the machine sees a home folder; choose another one with dataDir';
  return `make a user for it that owns the folder (useradd --system muster; install -d -m 700 -o muster ${data}), and open the folder in a drop-in (systemctl edit ${unitName(role)}): [Service], ReadWritePaths=${data}`;
}

const isIn = (path: string, folders: readonly string[]) =>
  folders.some(folder => path === folder || path.startsWith(`${folder}/`));
