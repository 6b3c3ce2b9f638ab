// Prevents writes to the state of a service with DynamicUser=. Such a service could not read what another user writes.
import { chown, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { openSafely, withFolder } from '../system/safe-open.ts';

/**
 * The folder where systemd stores the state of such services. `/var/lib` contains only links to it. See systemd.exec(5).
 */
const privateStateFolder = '/var/lib/private/';

/**
 * Checks whether `folder` belongs to such a service. It must be called before a write, because root could write there.
 * @throws MusterError `not_allowed` when the folder belongs to such a service and not to this user.
 */
export async function checkPrivateState(folder: string): Promise<void> {
  const path = await realpath(folder).catch(() => '');
  if (!path.startsWith(privateStateFolder)) return;
  const { uid } = await stat(path);
  if (uid === process.geteuid?.()) return;
  throw new MusterError(
    'not_allowed',
    `${folder} belongs to services of systemd, which could not read what another user writes there`,
    {
      hint: 'use the services (systemctl status muster-agent muster-requester), or choose another folder with --data-dir',
    },
  );
}

/**
 * As `giveToService`, for a folder in the state of such a service. @throws MusterError `not_writable`, also where a link of
 * the service leads elsewhere
 */
export async function giveFolderToService(path: string): Promise<void> {
  const real = await realpath(dirname(path)).catch(() => '');
  if (!`${real}/`.startsWith(privateStateFolder)) return;
  const { uid, gid } = await stat(real);
  if (uid === process.geteuid?.()) return;
  try {
    await withFolder(path, folder => chown(folder.at(), uid, gid));
  } catch (cause) {
    throw notGiven(path, uid, cause);
  }
}

/**
 * Gives a file that root may have made in the state of such a service to the owner of its folder, who could not read it
 * otherwise. Does nothing elsewhere, and when there is no file. @throws MusterError `not_writable`
 */
export async function giveToService(path: string): Promise<void> {
  const folder = dirname(path);
  const real = await realpath(folder).catch(() => '');
  if (!`${real}/`.startsWith(privateStateFolder)) return;
  const { uid, gid } = await stat(real);
  if (uid === process.geteuid?.()) return;
  try {
    const file = await openSafely(path, { refuseLastLink: true });
    try {
      if ((await file.stat()).uid !== uid) await file.chown(uid, gid);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return;
    throw notGiven(path, uid, cause);
  }
}

const notGiven = (path: string, uid: number, cause: unknown): MusterError =>
  new MusterError('not_writable', `${path} cannot be given to user ${uid}: ${reasonOf(cause)}`, { cause });
