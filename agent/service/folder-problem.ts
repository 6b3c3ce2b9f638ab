// Explains why systemd could not set up the folders of a service. systemd itself gives only an exit code.
import { lstat, readFile, readlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ServiceState } from './plan.ts';
import type { ServicePaths } from './service-paths.ts';

export interface FolderProblem {
  /** The problem: a clause without a full stop. */
  readonly what: string;
  /** The remedy; undefined when only the journal has more details. */
  readonly remedy: string | undefined;
}

/**
 * Returns the problem; undefined when the service ended for another reason. See systemd.exec(5), "Process exit codes".
 */
export async function findFolderProblem(
  { ended, state }: ServiceState,
  paths: ServicePaths,
): Promise<FolderProblem | undefined> {
  if (state === 'running') return undefined;
  if (ended === 'exit code 238') return problemAt(paths.dataFolder, paths.privateDataFolder);
  return ended === 'exit code 239' ? problemAt(paths.cacheFolder, paths.privateCacheFolder) : undefined;
}

/**
 * Returns the problem of one folder. With DynamicUser=, `folder` must be a link to `hidden`, or a folder that systemd can
 * move there.
 */
async function problemAt(folder: string, hidden: string | undefined): Promise<FolderProblem> {
  const unknown = { what: `systemd cannot set up ${folder}`, remedy: undefined };
  const info = await lstat(folder).catch(() => undefined);
  if (!info || !hidden) return unknown;
  const wanted = `${folder} must be a link to ${hidden}, which systemd makes`;
  if (await isMounted(folder)) {
    return {
      what: `${wanted}; a disk is mounted there`,
      remedy: `unmount it, rmdir ${folder}, install -d -m 700 ${dirname(hidden)} ${hidden}, and mount it at ${hidden}`,
    };
  }
  if (info.isSymbolicLink()) {
    const target = await readlink(folder);
    if (resolve(dirname(folder), target) === hidden) return unknown;
    return {
      what: `${wanted}; it is a link to ${target}`,
      remedy: `move the link away, and move the content of ${target} to ${hidden}`,
    };
  }
  if (!info.isDirectory()) return { what: `${wanted}; it is a file`, remedy: 'move the file away' };
  // When both folders exist, systemd cannot move one of them.
  const both = await lstat(hidden).catch(() => undefined);
  if (!both) return unknown;
  const remedy = `move what you want to keep into ${hidden}, and remove ${folder}`;
  return { what: `${wanted}; it is a folder, and ${hidden} exists too`, remedy };
}

/**
 * Returns whether something is mounted at the folder, which may also be a folder of the same disk (bind mount). Only
 * Linux can tell.
 */
async function isMounted(folder: string): Promise<boolean> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return mounts.split('\n').some(line => line.split(' ')[4] === folder);
}
