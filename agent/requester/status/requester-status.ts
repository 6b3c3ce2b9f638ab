// Defines the status of a requester, which its API, `muster status` and the service manager show.
import type { Counters } from './counters.ts';

export interface RequesterStatus {
  role: 'requester';
  node: string;
  version: string;
  pid: number;
  /** The state: `starting` until the roll is read; `degraded` while the silence of nodes is not counted. */
  state: 'starting' | 'ready' | 'degraded' | 'stopping';
  /** The reason why the state is not `ready`. */
  reason?: string | undefined;
  broker: string;
  clusterId?: string | undefined;
  nodes?: { total: number; pending: number; unreadable: number } | undefined;
  /** Number of nodes with events that the broker has not acknowledged. */
  eventsWaiting?: number | undefined;
  counters: Counters;
}
