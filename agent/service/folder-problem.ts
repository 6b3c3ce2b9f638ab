// Why systemd could not set up a service's folders, which it does before the program runs, and says by an exit code only.
import { lstat, readFile, readlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ServiceState } from './plan.ts';
import type { ServicePaths } from './service-paths.ts';

export interface FolderProblem {
  /** What is wrong: a clause. */
  readonly what: string;
  /** What to do; undefined where only the journal knows. */
  readonly remedy: string | undefined;
}

/** undefined when the service did not end by that: systemd.exec(5), "Process exit codes". */
export async function findFolderProblem(
  { ended, state }: ServiceState,
  places: ServicePaths,
): Promise<FolderProblem | undefined> {
  if (state === 'running') return undefined;
  if (ended === 'exit code 238') return problemAt(places.dataFolder, places.privateDataFolder);
  return ended === 'exit code 239' ? problemAt(places.cacheFolder, places.privateCacheFolder) : undefined;
}

/** `folder` has to be a link to `hidden`, or a folder that can be moved there (DynamicUser=). */
async function problemAt(folder: string, hidden: string | undefined): Promise<FolderProblem> {
  const unknown = { what: `systemd cannot set up ${folder}`, remedy: undefined };
  const info = await lstat(folder).catch(() => undefined);
  if (!info || !hidden) return unknown;
  const wanted = `${folder} has to be a link to ${hidden}, which systemd makes`;
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
      what: `${wanted}; it is one to ${target}`,
      remedy: `move the link away, and what is there to ${hidden}`,
    };
  }
  if (!info.isDirectory()) return { what: `${wanted}; it is a file`, remedy: 'move the file away' };
  // Of two folders it can move neither to the other.
  const both = await lstat(hidden).catch(() => undefined);
  if (!both) return unknown;
  const remedy = `put what is to stay of the two into ${hidden}, and remove ${folder}`;
  return { what: `${wanted}; it is a folder, and ${hidden} is there too`, remedy };
}

/** Also for a folder of the same disk that is bound there. Elsewhere than on Linux nothing is known. */
async function isMounted(folder: string): Promise<boolean> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return mounts.split('\n').some(line => line.split(' ')[4] === folder);
}
