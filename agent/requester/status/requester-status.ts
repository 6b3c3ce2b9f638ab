// The status of a requester, as its API, `muster status` and the service manager show it.
import type { Counters } from './counters.ts';

export interface RequesterStatus {
  role: 'requester';
  node: string;
  version: string;
  pid: number;
  /** `starting` until the roll is read; `degraded` while silence is not held against nodes. */
  state: 'starting' | 'ready' | 'degraded' | 'stopping';
  /** Why the state is not `ready`. */
  reason?: string | undefined;
  broker: string;
  clusterId?: string | undefined;
  nodes?: { total: number; pending: number; unreadable: number } | undefined;
  /** How many nodes have events that the broker has not acknowledged. */
  eventsWaiting?: number | undefined;
  counters: Counters;
}
