// The sandbox of the systemd units allows a role to write only its own folders. An operator must allow any other dataDir.
import { namedFolders, startedByService, systemEnvironment } from '../config/environment.ts';
import type { Role } from '../config/role.ts';
import { errnoOf, MusterError } from '../system/errors.ts';
import { unitName } from './scope.ts';

/** Folders that `ProtectHome=` hides. No other line of a unit can show them again. See systemd.exec(5). */
const homeFolders = /^\/(home|root|run\/user)(\/|$)/;

/**
 * Runs `action`, which makes or locks folders in `data`. When the sandbox of a unit prevents that, the error says how to
 * allow the folder. The usual hints, such as to choose another folder, would not help.
 */
export async function withSandboxHint<T>(role: Role, data: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    // A user's unit has no STATE_DIRECTORY and no such sandbox.
    const own = namedFolders(systemEnvironment, 'STATE_DIRECTORY');
    const sandboxed = own.length > 0 && !isIn(data, own) && startedByService(systemEnvironment);
    if (!sandboxed || !(error instanceof MusterError) || error.code !== 'not_writable') throw error;
    if (!['EROFS', 'EACCES', 'EPERM'].includes(errnoOf(error.cause) ?? '')) throw error;
    throw new MusterError(error.code, error.message, { hint: howToOpen(role, data), cause: error });
  }
}

/** Returns why the machine's unit does not let `role` store its state in `data`; undefined when it does. */
export function whyNotWritable(role: Role, data: string): string | undefined {
  const { machine } = systemEnvironment;
  if (isIn(data, [machine.data, machine.cache])) return undefined;
  return `dataDir: ${data} is outside what ${unitName(role)} may write: ${howToOpen(role, data)}`;
}

/** Returns whether the text of a unit or of a drop-in allows more than the unit that muster writes. */
export const widensSandbox = (text: string): boolean =>
  /^\s*((ReadWritePaths|BindPaths)\s*=|ProtectSystem\s*=\s*(?!strict)\S)/m.test(text);

function howToOpen(role: Role, data: string): string {
  if (homeFolders.test(data))
    return 'a service of the machine cannot see home folders; choose another folder with dataDir';
  return `make a user that owns the folder (useradd --system muster; install -d -m 700 -o muster ${data}), and allow the folder in a drop-in (systemctl edit ${unitName(role)}): [Service], ReadWritePaths=${data}`;
}

const isIn = (path: string, folders: readonly string[]) =>
  folders.some(folder => path === folder || path.startsWith(`${folder}/`));
