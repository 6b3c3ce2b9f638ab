// Defines what the page reads of a requester's status, `GET /api/v1/orchestrator/status`, which an earlier version may tell less of.

export interface ClusterStatus {
  Node: string;
  Version: string;
  State: string;
  Reason?: string;
  Troubles?: { Text: string; Hint: string }[];
  Broker: string;
  Trust: string;
  ClusterID?: string;
  Watcher?: string;
  Peers?: PeerStatus[];
  /** The streams of the roll on a cluster of servers. */
  Store?: StoredStream[];
  VerdictsWait?: { Nodes: number; Until: string; Reason: string };
  EventsWaiting?: number;
  NextAuthority?: { Ready: boolean; Missing: number };
  Certificates?: { Use: string; EndsAt: string }[];
}

export interface PeerStatus {
  Requester: string;
  Host: string;
  Watches: boolean;
  Differs?: string[];
  ClockAheadMs?: number;
  Version?: string;
}

export interface StoredStream {
  Stream: string;
  Replicas: number;
  Leader?: string;
  Others: { Server: string; Current: boolean; Lag: number }[];
}
