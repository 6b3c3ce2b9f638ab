// A node view is a node as operators and Bacalhau's tools see it: its stored record and what is known in memory.
import type { MusterView } from '../../protocol/http.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import { zeroTime } from '../../protocol/node-info.ts';
import {
  type ConnectionStatus,
  connectionStatusOf,
  type Health,
  type NodeConnectionState,
  type NodeState,
} from '../../protocol/node-state.ts';
import type { Resources } from '../../protocol/resources.ts';
import type { Conflict } from '../events/conflict-detector.ts';
import type { Liveness } from '../health/liveness.ts';
import type { Outlook } from '../health/outlook.ts';
import type { ExecutionCounts } from '../roll/executions.ts';
import type { ResourceInfo } from '../roll/resource-store.ts';
import { shownTombstone } from './gone-nodes.ts';

export interface NodeView extends Omit<NodeState, 'Muster' | 'ConnectionState'> {
  ConnectionState: NodeConnectionState;
  Muster: MusterView;
}

/** The signs of life of a node, as they were at one moment. */
export type SeenLiveness = Readonly<Pick<Liveness, 'lastSeenAt' | 'healthySince' | 'silentSince' | 'left'>>;

/**
 * Returns the view of a node. `silenceMs` is the silence that the health rule uses, in milliseconds; `pinnedKey` the key by
 * which alone the node may connect; `watches` whether it is the requester that watches over the roll; `executions` what the node
 * said last that it runs.
 */
export function nodeView(
  state: NodeState,
  health: Health,
  silenceMs: number | undefined,
  liveness: SeenLiveness | undefined,
  resources: ResourceInfo | undefined,
  conflict?: Conflict,
  pinnedKey?: string,
  watches = false,
  executions?: ExecutionCounts,
): NodeView {
  const connection = connectionOf(state, health);
  const {
    Session: _session,
    Operation: _operation,
    Operations: _operations,
    Store: _store,
    Changes: _changes,
    LabelOrigins: _origins,
    Instance: _instance,
    BootID: _boot,
    PublicKey: _key,
    Arrival: _arrival,
    Former,
    ...shown
  } = state.Muster ?? {};
  return {
    Info: {
      ...state.Info,
      Labels: labelsOf(state),
      ComputeNodeInfo: {
        ...state.Info.ComputeNodeInfo,
        AvailableCapacity: availableOf(connection, resources),
        QueueCapacity: (connection === 'CONNECTED' && resources?.queued) || {},
        RunningExecutions: executions?.running ?? 0,
        EnqueuedExecutions: executions?.waiting ?? 0,
      },
    },
    Membership: state.Membership,
    Connection: connection,
    ConnectionState: connectionStateOf(connection, liveness),
    Muster: {
      Health: health,
      ...(silenceMs === undefined ? {} : { Silence: Math.round(silenceMs) }),
      ...shown,
      ...labelOrigins(state),
      Schedulable: isSchedulable(state),
      ...(Former ? { Former: shownTombstone(Former) } : {}),
      ...(executions ? { Executions: executionsView(executions) } : {}),
      ...(pinnedKey ? { PublicKey: pinnedKey, Fingerprint: fingerprint(pinnedKey) } : {}),
      ...(conflict ? { Conflict: conflictView(conflict) } : {}),
      ...(watches ? { Watches: true } : {}),
      ...(resources ? resourcesView(resources) : {}),
    },
  };
}

/** Returns what is free on a node. A node that is not connected offers nothing. */
export const availableOf = (connection: ConnectionStatus, resources: ResourceInfo | undefined): Resources =>
  (connection === 'CONNECTED' && resources?.available) || {};

/** Returns the labels of a node: its own, and those of the control plane, which come before them. */
export const labelsOf = ({ Info, Muster }: NodeState): NodeState['Info']['Labels'] =>
  Muster?.Labels ? { ...Info.Labels, ...Muster.Labels } : Info.Labels;

/** Returns what the signs of life of a node say of its connection. */
export const connectionStateOf = (
  connection: ConnectionStatus,
  liveness: SeenLiveness | undefined,
): NodeConnectionState => ({
  Status: connection,
  LastHeartbeat: timeOf(liveness?.lastSeenAt),
  ConnectedSince: timeOf(liveness?.healthySince),
  DisconnectedSince: timeOf(liveness?.silentSince),
  ...(liveness?.left ? { LastError: 'graceful shutdown' } : {}),
  ...(!liveness?.left && liveness?.silentSince ? { LastError: 'heartbeat timeout' } : {}),
});

/** Returns whether operators allow that new work is given to a node. A requester computes nothing. */
const isSchedulable = ({ Info, Membership, Muster }: NodeState): boolean =>
  Info.NodeType !== 'Requester' && Membership === 'APPROVED' && Muster?.Cordon === undefined;

function labelOrigins({ Info, Muster }: NodeState): Pick<MusterView, 'LabelOrigins'> {
  const { Labels = {}, LabelOrigins = [], JoinCode } = Muster ?? {};
  const origins = Object.keys(Labels)
    .sort()
    .map(Label => {
      const byCode = { Label, Actor: '', Reason: '', ...(JoinCode ? { JoinCode } : {}) };
      const origin = LabelOrigins.find(each => each.Label === Label) ?? byCode;
      const own = Object.hasOwn(Info.Labels ?? {}, Label) ? Info.Labels?.[Label] : undefined;
      return { ...origin, ...(own === undefined ? {} : { Own: own }) };
    });
  return origins.length > 0 ? { LabelOrigins: origins } : {};
}

const resourcesView = ({ usage, at, protocol }: ResourceInfo): Partial<MusterView> => ({
  Usage: usage,
  ResourcesAt: at.toISOString(),
  ...(protocol ? { Protocol: protocol } : {}),
});

const executionsView = ({ running, waiting, at }: ExecutionCounts): MusterView['Executions'] => ({
  Running: running,
  Waiting: waiting,
  At: at.toISOString(),
});

/** Returns the view with the reason of its health, and with what comes next. `now` is the present time. */
export function withOutlook(view: NodeView, { rule, next, waits }: Outlook, now: Date): NodeView {
  const coming = next && {
    Next: next.health,
    NextAt: new Date(now.getTime() + next.inMs).toISOString(),
  };
  const Outlook = { Rule: rule, ...coming, ...(waits === undefined ? {} : { Waits: waits }) };
  return { ...view, Muster: { ...view.Muster, Outlook } };
}

/** Returns the view of a conflict. */
export const conflictView = ({ at, agents }: Conflict): MusterView['Conflict'] => ({
  At: at.toISOString(),
  Agents: agents.map(({ host = '', instance = '', address = '', fingerprint: ofKey = '', use }) => ({
    Host: host,
    Instance: instance,
    Address: address,
    Fingerprint: ofKey,
    ...(use ? { Use: use } : {}),
  })),
});

const timeOf = (at: number | undefined): string => (at === undefined ? zeroTime : new Date(at).toISOString());

/**
 * Returns whether a node is connected. A requester sends no heartbeat, so its health is UNKNOWN. It is shown as CONNECTED, because
 * it answers Bacalhau's tools.
 */
export function connectionOf(state: NodeState, health: Health): ConnectionStatus {
  return state.Info.NodeType === 'Requester' ? 'CONNECTED' : connectionStatusOf(health);
}
