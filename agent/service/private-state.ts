// State that belongs to a service with a user of its own that comes and goes (DynamicUser=): nobody else may write there.
import { realpath, stat } from 'node:fs/promises';
import { MusterError } from '../system/errors.ts';

/** Where systemd keeps the state of such services; what `/var/lib` shows of it are links. systemd.exec(5) */
const privateStateFolder = '/var/lib/private/';

/**
 * For a process that is about to make or write anything in `folder`, started by hand perhaps: root may, and the services that
 * the folder belongs to could not read it.
 * @throws MusterError `not_allowed` when the folder is such a service's and not this user's.
 */
export async function checkPrivateState(folder: string): Promise<void> {
  const path = await realpath(folder).catch(() => '');
  if (!path.startsWith(privateStateFolder)) return;
  const { uid } = await stat(path);
  if (uid === process.geteuid?.()) return;
  throw new MusterError(
    'not_allowed',
    `${folder} belongs to the services of systemd: what another user writes there, they could not read`,
    {
      hint: 'see systemctl status muster-agent muster-requester; or choose another folder with --data-dir',
    },
  );
}
