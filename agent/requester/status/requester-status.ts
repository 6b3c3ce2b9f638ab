// Defines the status of a requester, which its API, `muster status` and the service manager show.
import type { Trouble } from '../../system/trouble.ts';
import type { Counters } from './counters.ts';

/** How the servers of a cluster store one stream. */
export interface StreamStatus {
  stream: string;
  /** Number of servers that should store it. */
  replicas: number;
  /** The server that takes the writes; absent while there is none. */
  leader?: string | undefined;
  /** The other servers, and how many operations each of them has not got yet. */
  others: { server: string; current: boolean; lag: number }[];
}

/** The states of a requester. */
export const requesterStates = ['starting', 'ready', 'degraded', 'stopping'] as const;

export interface RequesterStatus {
  role: 'requester';
  node: string;
  version: string;
  pid: number;
  /**
   * The state: `starting` until the roll is read; `degraded` while the silence of nodes is not counted, the requester's
   * own broker does not do its work, or records are lost.
   */
  state: (typeof requesterStates)[number];
  /** The reason why the state is not `ready`. */
  reason?: string | undefined;
  /** What keeps the requester from doing its work; absent when nothing does. */
  troubles?: readonly Trouble[] | undefined;
  broker: string;
  /** The address of the requester's own broker for clients on this machine; absent without a broker of its own. */
  brokerUrl?: string | undefined;
  /** How often the requester's own broker was started again, and why the last time; absent without a broker of its own. */
  brokerRestarts?: { count: number; last?: { at: string; reason: string } } | undefined;
  /**
   * What approval is worth: with `keys` the broker lets only the key of a node speak for it; on a `shared` NATS, whoever may
   * speak there may speak for any node. `unknown` until a NATS of one's own has been asked.
   */
  trust: 'keys' | 'shared' | 'unknown';
  /**
   * The replacement of the CA: whether the next start uses the next one, and how many approved nodes do not keep it; absent
   * when none is under way.
   */
  nextAuthority?: { ready: boolean; missing: number } | undefined;
  clusterId?: string | undefined;
  nodes?: { total: number; pending: number; unreadable: number; lost?: number } | undefined;
  /** The id of the requester that watches over the roll, as far as this one knows: it announces what changes. */
  watcher?: string | undefined;
  /** The other requesters of the roll. */
  peers?: PeerStatus[] | undefined;
  /** The streams of the roll and the servers of a cluster that store them; absent on a single server. */
  store?: StreamStatus[] | undefined;
  /**
   * The verdicts that wait, because the silence of nodes may be somebody else's fault: on how many nodes, until when, RFC 3339,
   * and why; absent while none wait.
   */
  verdictsWait?: { nodes: number; until: string; reason: string } | undefined;
  /** Number of nodes with events that the broker has not acknowledged; absent when another requester announces. */
  eventsWaiting?: number | undefined;
  /** When the certificates end that this requester shows; absent when it shows none. */
  certificates?: readonly CertificateEnd[] | undefined;
  counters: Counters;
}

/** A certificate: who shows it, such as `broker and API` or `CA of broker`, and its end, RFC 3339. */
export interface CertificateEnd {
  use: string;
  endsAt: string;
}

export interface PeerStatus {
  requester: string;
  host: string;
  /** Absent in the status of an earlier version. */
  version?: string;
  watches: boolean;
  /** The settings that should be those of this requester, and are not; absent for none. */
  differs?: readonly string[];
  /**
   * How far its clock is ahead of this requester's, in milliseconds, and below 0 when it is behind; absent while the two are
   * close to each other.
   */
  clockAheadMs?: number;
}
