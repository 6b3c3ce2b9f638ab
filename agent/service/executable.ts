// The program that a service starts: whether it can be one, before a unit names it.
import { constants, type Stats } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import type { Scope } from './scope.ts';

/** What a service of the whole machine does not see (ProtectHome, PrivateTmp), or what goes away by itself. */
const hiddenFolders = ['/home/', '/root/', '/run/', '/tmp/', '/var/tmp/', '/dev/shm/'];

const advice = 'copy the program to /usr/local/bin/muster, and give --executable /usr/local/bin/muster';

/**
 * Warnings about `path` as the program of a service.
 * @param root put before the path to look at it, not in what the service is told
 * @throws MusterError `usage` when a service cannot start it.
 */
export async function checkExecutable(path: string, scope: Scope, root: string): Promise<string[]> {
  // A unit and a property list have no way to write a control character, and readers of XML differ on line breaks.
  if (!isAbsolute(path) || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(path)) {
    throw new MusterError('usage', `the program of a service is named by its absolute path, not ${path}`);
  }
  // Of another root the links lead elsewhere.
  const file = root === '' ? await realpath(path).catch(() => path) : path;
  if (
    scope === 'system' &&
    hiddenFolders.some(folder => [path, file].some(each => each.startsWith(folder)))
  ) {
    const lies = file === path ? '' : `, which is ${file}`;
    throw new MusterError(
      'usage',
      `a service of the whole machine cannot start ${path}${lies}: it sees no such folder`,
      {
        hint: advice,
      },
    );
  }
  const info = await statExecutable(root + path);
  const warnings: string[] = [];
  if (scope === 'system' && root === '' && (info.uid !== 0 || (info.mode & 0o022) !== 0)) {
    warnings.push(
      `${path} can be changed by others than root, and the service runs it; chown root and chmod 755`,
    );
  }
  return warnings;
}

async function statExecutable(path: string): Promise<Stats> {
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new Error('it is not a file');
    await access(path, constants.X_OK);
    return info;
  } catch (error) {
    const why: Record<string, string> = {
      ENOENT: 'there is no such file',
      EACCES: 'it may not be run',
      ENOTDIR: 'there is no such file',
    };
    const reason = why[errnoOf(error) ?? ''] ?? reasonOf(error);
    throw new MusterError('usage', `a service cannot start ${path}: ${reason}`, { hint: advice });
  }
}
