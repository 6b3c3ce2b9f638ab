// Prevents writes to the state of a service with DynamicUser=. Such a service could not read what another user writes.
import { realpath, stat } from 'node:fs/promises';
import { MusterError } from '../system/errors.ts';

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
