// Checks whether a service can start a program, before the program is named in a unit.
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { describeWriter, findOtherWriter, trustOfRoot, writerRemedy } from '../system/path-trust.ts';
import type { Scope } from './scope.ts';

/** Folders that a service of the whole machine cannot see (ProtectHome, PrivateTmp), or that are empty after a reboot. */
const hiddenFolders = ['/home/', '/root/', '/run/', '/tmp/', '/var/tmp/', '/dev/shm/'];

const advice = 'copy the program to /usr/local/bin/muster, and give --executable /usr/local/bin/muster';

/**
 * Returns warnings about `path` as the program of a service. @param root is put before the path to read the file; the
 * service gets the path without it @throws MusterError `usage` when a service cannot start the program.
 */
export async function checkExecutable(path: string, scope: Scope, root: string): Promise<string[]> {
  // Neither a unit nor a property list can contain a control character. Readers of XML also treat line breaks differently.
  if (!isAbsolute(path) || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(path)) {
    throw new MusterError('usage', `a service needs the absolute path of its program, not ${path}`);
  }
  // In another root a link does not lead to the same place as on the machine itself.
  const file = root === '' ? await realpath(path).catch(() => path) : path;
  if (
    scope === 'system' &&
    hiddenFolders.some(folder => [path, file].some(each => each.startsWith(folder)))
  ) {
    const lies = file === path ? '' : `, which is ${file}`;
    throw new MusterError(
      'usage',
      `a service of the whole machine cannot start ${path}${lies}: it cannot see that folder`,
      {
        hint: advice,
      },
    );
  }
  await checkIsExecutable(root + path);
  const warnings: string[] = [];
  const writer = scope === 'system' && root === '' ? await findOtherWriter(path, trustOfRoot()) : undefined;
  if (writer) {
    const remedy = writerRemedy(path, writer, '/usr/local/bin');
    warnings.push(
      `the service runs ${path}, which other users than root can change: ${describeWriter(writer)}; ${remedy}`,
    );
  }
  return warnings;
}

async function checkIsExecutable(path: string): Promise<void> {
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new Error('it is not a file');
    await access(path, constants.X_OK);
  } catch (error) {
    const why: Record<string, string> = {
      ENOENT: 'there is no such file',
      EACCES: 'it is not executable for this user',
      ENOTDIR: 'there is no such file',
    };
    const reason = why[errnoOf(error) ?? ''] ?? reasonOf(error);
    throw new MusterError('usage', `a service cannot start ${path}: ${reason}`, { hint: advice });
  }
}
