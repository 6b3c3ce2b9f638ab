// A node as operators and Bacalhau's tools see it: the stored record with what memory knows of it now.

import type { Usage } from '../../protocol/messages.ts';
import { zeroTime } from '../../protocol/node-info.ts';
import {
  type ConnectionStatus,
  connectionStatusOf,
  type Health,
  type NodeConnectionState,
  type NodeState,
} from '../../protocol/node-state.ts';
import type { Pulse } from '../health/health.ts';
import type { ResourceInfo } from '../roll/resource-store.ts';

/** What muster adds to Bacalhau's NodeState in the API. */
export interface MusterView {
  Health: Health;
  /** Milliseconds since the node was heard; absent when it never was by this requester. */
  Silence?: number;
  RegisteredAt?: string | undefined;
  Version?: string | undefined;
  Decision?: { Action: string; Reason: string; Actor: string; At: string } | undefined;
  Usage?: Usage | undefined;
  ResourcesAt?: string;
}

export interface NodeView extends Omit<NodeState, 'Muster' | 'ConnectionState'> {
  ConnectionState: NodeConnectionState;
  Muster: MusterView;
}

/** Puts a view together. `silence` in milliseconds, as the health rules count it. */
export function nodeView(
  state: NodeState,
  health: Health,
  silence: number | undefined,
  pulse: Readonly<Pulse> | undefined,
  resources: ResourceInfo | undefined,
): NodeView {
  const connection = stateConnection(state, health);
  const { Session: _s, Operation: _o, Changes: _c, Instance: _i, BootID: _b, ...shown } = state.Muster ?? {};
  return {
    Info: {
      ...state.Info,
      ComputeNodeInfo: {
        ...state.Info.ComputeNodeInfo,
        AvailableCapacity: (connection === 'CONNECTED' && resources?.available) || {},
        QueueCapacity: (connection === 'CONNECTED' && resources?.queued) || {},
      },
    },
    Membership: state.Membership,
    Connection: connection,
    ConnectionState: {
      Status: connection,
      LastHeartbeat: timeOf(pulse?.lastSeenAt),
      ConnectedSince: timeOf(pulse?.healthySince),
      DisconnectedSince: timeOf(pulse?.silentSince),
      ...(pulse?.left ? { LastError: 'graceful shutdown' } : {}),
      ...(!pulse?.left && pulse?.silentSince ? { LastError: 'heartbeat timeout' } : {}),
    },
    Muster: {
      Health: health,
      ...(silence === undefined ? {} : { Silence: Math.round(silence) }),
      ...shown,
      ...(resources ? { Usage: resources.usage, ResourcesAt: resources.at.toISOString() } : {}),
    },
  };
}

const timeOf = (at: number | undefined): string => (at === undefined ? zeroTime : new Date(at).toISOString());

// A requester sends no heartbeat, so its health is UNKNOWN; that it answers shows Bacalhau's tools that it is connected.
function stateConnection(state: NodeState, health: Health): ConnectionStatus {
  return state.Info.NodeType === 'Requester' ? 'CONNECTED' : connectionStatusOf(health);
}
