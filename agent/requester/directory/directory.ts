// What operators may see and do, whichever way they come: the API calls this, and nothing else of the requester.
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { Decision } from '../roll/membership.ts';
import type { Counters } from '../status/counters.ts';
import type { NodeView } from './node-view.ts';

export interface RequesterStatus {
  role: 'requester';
  node: string;
  version: string;
  pid: number;
  /** `starting` until the roll is read; `degraded` while silence is not held against nodes. */
  state: 'starting' | 'ready' | 'degraded' | 'stopping';
  /** Why it is not `ready`. */
  reason?: string | undefined;
  broker: string;
  clusterId?: string | undefined;
  nodes?: { total: number; pending: number; unreadable: number } | undefined;
  eventsWaiting?: number | undefined;
  counters: Counters;
}

export interface Directory {
  /** The requester itself. */
  readonly self: NodeInfo;
  status(): RequesterStatus;
  /** Every node on the roll, by id. Throws MusterError `unreachable` while the requester starts. */
  list(): NodeView[];
  /** By exact id or unique prefix. Throws MusterError `not_found`, `ambiguous`, `unreachable`. */
  get(name: string): NodeView;
  /** Throws MusterError as `get`, and `conflict`; `unreachable` when the store does not answer. */
  decide(name: string, decision: Decision): Promise<void>;
  /** Throws as `decide`. */
  remove(name: string, reason: string, actor: string): Promise<void>;
  /**
   * Stored events from `since` on, then new ones, each a CloudEvent in JSON, until stopped. While a promise that `fn`
   * answers is pending, no more come.
   */
  follow(
    options: { node?: string | undefined; since?: Date | undefined },
    fn: (event: Uint8Array) => void | Promise<void>,
  ): Promise<{ ready: Promise<void>; stop(): void }>;
}
