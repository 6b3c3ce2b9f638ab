// A data folder that belongs to the user of a service, in which root restores. The service may replace everything in it by
// links at any moment, so root writes nothing there: it only moves things in, which belong to the service then.
import { lstat, realpath, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runtimeFolder } from '../../config/paths.ts';
import { errnoOf, MusterError } from '../../system/errors.ts';
import { notWritable, syncFolder } from '../../system/files.ts';
import { giveTree } from '../../system/give-tree.ts';
import { findOtherWriter } from '../../system/path-trust.ts';
import { removeTree } from '../../system/remove-tree.ts';
import { askHolder } from '../../system/role-socket.ts';
import { describeHolder } from '../describe-holder.ts';
import { isRoot } from '../refused-paths.ts';

export interface ServiceFolder {
  /** The folder, without links on the way to it. */
  path: string;
  uid: number;
  gid: number;
}

/**
 * Returns the data folder of another user for root, when only root may replace that folder itself; undefined for every other
 * user, and for every other folder.
 */
export async function findServiceFolder(data: string): Promise<ServiceFolder | undefined> {
  if (!isRoot()) return undefined;
  const path = await realpath(data).catch(() => undefined);
  if (path === undefined || (await findOtherWriter(data))?.path !== path) return undefined;
  const [folder, parent] = [await stat(path), await stat(dirname(path))];
  // The owner of a folder may replace it in one like /tmp, although that belongs to root.
  if (folder.uid === 0 || parent.uid !== 0 || (parent.mode & 0o022) !== 0) return undefined;
  return { path, uid: folder.uid, gid: folder.gid };
}

/** Throws MusterError `in_use` while a requester uses the folder. */
export async function refuseRunningService({ path }: ServiceFolder): Promise<void> {
  const folder = runtimeFolder(path, 'requester');
  const status = await askHolder(folder, { command: 'status' });
  if (status === undefined) return;
  throw new MusterError('in_use', `a requester uses ${folder}: ${describeHolder(status)}`, {
    hint: 'nothing was changed; stop it first, such as by: systemctl stop muster-requester',
  });
}

/** Throws MusterError `bad_state` when nothing can be moved into the folder, or one of `names` in it is a link. */
export async function refuseUnmovable({ path, uid }: ServiceFolder, names: readonly string[]): Promise<void> {
  if ((await stat(path)).dev !== (await stat(dirname(path))).dev)
    throw new MusterError('bad_state', `${path} is a disk of its own, into which root moves nothing`, {
      hint: `nothing was changed; run it as user ${uid}, or restore into an empty folder of root: --data-dir`,
    });
  for (const name of names) {
    const info = await lstat(join(path, name)).catch(error => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (info?.isSymbolicLink())
      throw new MusterError(
        'bad_state',
        `${join(path, name)} is a symbolic link, which root does not follow`,
        {
          hint: `nothing was changed; remove it if the service has no use for it: rm ${join(path, name)}`,
        },
      );
  }
}

/** Moves `name` from a folder of root into the folder of the service, whose it is then. @throws MusterError `not_writable` */
export async function moveToService(from: string, service: ServiceFolder, name: string): Promise<void> {
  const to = join(service.path, name);
  try {
    await giveTree(join(from, name), service);
    await removeTree(to);
    await rename(join(from, name), to);
    await syncFolder(service.path);
  } catch (error) {
    throw notWritable(to, error);
  }
}
