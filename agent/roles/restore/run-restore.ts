// Restores a requester from a backup, while none runs in its folder. Nothing that is there is deleted before the restored state
// is whole, and the earlier folders stay under another name.
import { Backup } from '../../requester/backup/backup-reader.ts';
import { nameBrokerError } from '../name-broker-error.ts';
import { restoreOnOwnNats } from './restore-own-nats.ts';
import { restoreOwnBroker } from './restore-with-broker.ts';
import type { RestoreOptions } from './restored-state.ts';
import { Staging } from './staging.ts';

/** What was restored, for people. */
export interface RestoreSummary {
  cluster: string;
  requester: string;
  /** The time of the backup. */
  at: string;
  /** The names under which the earlier folders, and the earlier store on a NATS of one's own, are kept. */
  kept: string[];
}

/** Checks everything first, then restores. @throws BackupError, MusterError; then what was there is there */
export const restore = (options: RestoreOptions): Promise<RestoreSummary> =>
  nameBrokerError(
    'the broker did not carry out the restore',
    'what was there is there, or in a file store-before-….backup in the data folder; see muster doctor, and try again when the broker stores again',
    () => checkAndRestore(options),
  );

async function checkAndRestore(options: RestoreOptions): Promise<RestoreSummary> {
  await using cleanup = new AsyncDisposableStack();
  const backup = await Backup.open(options.path);
  cleanup.defer(() => backup.close());
  const staging = await Staging.open(options.data);
  cleanup.defer(() => staging.close());
  const run = { ...options, backup, staging };
  const isOwnNats = options.settings.nats.servers.length > 0;
  const kept = isOwnNats ? await restoreOnOwnNats(run) : await restoreOwnBroker(run);
  const { cluster, requester, at } = backup.list;
  return { cluster, requester, at, kept };
}
