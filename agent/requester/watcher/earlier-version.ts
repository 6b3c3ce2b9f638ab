// Says whether the requester that watches is of a version in which a roll has a single requester.
import { MusterError } from '../../system/errors.ts';
import type { Holder } from './holder.ts';
import type { Peer } from './presence.ts';

/**
 * Refuses to keep a roll beside a requester that knows of no others: it answers each request of a node too, so that nodes have
 * two sessions. Such a requester writes no version into the lease, and tells nobody that it is there. @throws MusterError
 * `in_use`
 */
export function refuseBesideEarlierVersion(watcher: Holder | undefined, peers: readonly Peer[]): void {
  if (!watcher || watcher.version !== undefined) return;
  if (peers.some(({ instance }) => instance === watcher.instance)) return;
  const { requester, pid, host, since } = watcher;
  throw new MusterError(
    'in_use',
    `requester ${requester} (process ${pid} on ${host}, since ${since}) already keeps this cluster's roll, and is of an earlier version, which keeps a roll alone`,
    {
      hint: 'stop it first and update it, then both can keep the roll; or point this one to another broker with nats.servers',
    },
  );
}
