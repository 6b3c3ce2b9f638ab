// Refuses to replace what is there, unless the operator named it. The refusal says what would be lost.
import type { Backup } from '../../requester/backup/backup-reader.ts';
import type { LivingStore } from '../../requester/backup/living-store.ts';
import { MusterError } from '../../system/errors.ts';
import { clusterOfFolder } from './present-state.ts';
import type { RestoreRun } from './restored-state.ts';

/** A store that would be replaced, or why its content cannot be said. */
export type Living = LivingStore | { unreadable: string };

/** Throws MusterError `conflict` when there is a store, and the operator did not name its cluster. */
export async function refuseLiving(
  { replace, backup, staging: { present } }: RestoreRun,
  living: Living | undefined,
): Promise<void> {
  if (!living) return;
  const isReadable = !('unreadable' in living);
  const cluster =
    (isReadable ? living.cluster : undefined) ?? (await clusterOfFolder(present.requester)) ?? 'unknown';
  if (replace === cluster) return;
  const what = isReadable
    ? `the store of cluster ${cluster}, with ${count(living.nodes, 'node')} and ${count(living.events, 'event')}${newer(living, backup)}`
    : `the state of cluster ${cluster} in ${present.requester}, whose store cannot be read (${living.unreadable})`;
  throw new MusterError('conflict', `this would replace ${what}`, {
    hint:
      replace === undefined
        ? `nothing was changed; to replace it all the same: --replace ${cluster}`
        : `nothing was changed; --replace names another cluster: ${replace}`,
  });
}

function newer({ newestAt }: LivingStore, { list }: Backup): string {
  const minutes = newestAt ? Math.round((newestAt.getTime() - Date.parse(list.at)) / 60_000) : 0;
  if (minutes < 1) return '';
  const hours = Math.round(minutes / 60);
  const span =
    minutes < 120
      ? count(minutes, 'minute')
      : hours < 48
        ? count(hours, 'hour')
        : count(Math.round(hours / 24), 'day');
  return `; the newest of it came ${span} after the backup`;
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;
