// Says whether the broker is new enough for several requesters.
import { MusterError } from '../../system/errors.ts';
import { firstWithFences, knowsFences } from '../../transport/nats-version.ts';
import type { ConnectionState } from '../../transport/port.ts';
import type { Holder } from './holder.ts';

/**
 * Refuses to keep a roll beside its watcher, when the broker is too old for several requesters. @throws MusterError `in_use`
 */
export function refuseBesideOldServer(state: ConnectionState, watcher: Holder | undefined): void {
  if (!watcher || state.kind !== 'connected' || refusesFormerWatcher(state)) return;
  const { requester, pid, host, since } = watcher;
  const { major, minor } = firstWithFences;
  throw new MusterError(
    'in_use',
    `requester ${requester} (process ${pid} on ${host}, since ${since}) already keeps this cluster's roll, and the broker ${state.server} is nats-server ${state.version}, which is too old for several requesters`,
    {
      hint: `stop the other one first, or use nats-server ${major}.${minor} or newer; or point this one to another broker with nats.servers`,
    },
  );
}

/** Returns whether the server refuses the events of a requester which does not watch any more. */
export const refusesFormerWatcher = (state: ConnectionState): boolean =>
  state.kind === 'connected' && knowsFences(state.version);
