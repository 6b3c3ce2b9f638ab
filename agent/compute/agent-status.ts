// What `muster status` shows of an agent.
import type { ChosenAddress } from '../host/address.ts';
import { connectionText } from '../output/broker-trouble.ts';
import type { Cordon } from '../protocol/cordon.ts';
import type { NodeCondition } from '../protocol/node-info.ts';
import type { RefusalCode } from '../protocol/refusal.ts';
import type { Trouble } from '../system/trouble.ts';
import { version } from '../system/version.ts';
import { type AgentTroubleSources, agentTroubles } from './agent-troubles.ts';
import type { RequesterClient } from './registration/requester-client.ts';
import { phases } from './registration/state.ts';
import type { Heartbeat } from './reports/heartbeat.ts';
import type { MachineSurvey } from './survey/survey.ts';

/** The addresses at which an agent finds its brokers. */
export interface BrokerAddresses {
  /** Those in its settings, or in its join code. */
  readonly told: readonly string[];
  /** Those that its brokers have named. */
  readonly learned: readonly string[];
}

/** The states of an agent: the phase of its registration; `refused` while the requester refuses it for a reason without phase. */
export const agentStates = [...phases, 'refused'] as const;

export interface AgentStatus {
  role: 'agent';
  node: string;
  version: string;
  pid: number;
  state: (typeof agentStates)[number];
  /** Present while the requester has not confirmed the state since the agent started, or lost its connection. */
  unconfirmed?: true | undefined;
  /** The operator's reason for rejecting or deleting the node, or the reason in the requester's words. */
  reason?: string | undefined;
  /** Why the requester does not let the key of this node in; absent while it does. */
  refusal?: RefusalCode | undefined;
  /**
   * Whether new work may be given to this node, so that a scheduler on its machine can follow: it is approved, and not
   * cordoned. Absent while the requester has not said it since the agent started, and with a requester of Bacalhau.
   */
  schedulable?: boolean | undefined;
  /** What keeps new work away from this node; absent when it is not cordoned. */
  cordon?: ShownCordon | undefined;
  /** What keeps the agent from doing its work; absent when nothing does. */
  troubles?: readonly Trouble[] | undefined;
  fingerprint: string;
  cluster?: string | undefined;
  requester?: string | undefined;
  broker: string;
  /** The addresses of its brokers, as URLs; absent while there is only one. */
  brokers?: BrokerAddresses | undefined;
  /** Time of the last heartbeat, by the wall clock, RFC 3339. */
  lastHeartbeat?: string | undefined;
  heartbeats: number;
  /** Time when the requester last carried out a request, by the wall clock, RFC 3339. */
  lastAcknowledged?: string | undefined;
  /** The address in this node's information, and why it is this one or none; absent where none is asked for. */
  address?: ChosenAddress | undefined;
  /** The problems that this node has now. */
  conditions?: readonly NodeCondition[] | undefined;
}

/** A cordon as the status shows it. Times are RFC 3339. */
export interface ShownCordon {
  reason: string;
  /** The operator. */
  actor: string;
  at: string;
  until?: string | undefined;
  /** When the drain began, until when it should be over, and when it was; absent when the work is not awaited to end. */
  drain?: { at: string; deadline?: string | undefined; drainedAt?: string | undefined } | undefined;
}

export interface AgentStatusSources extends Omit<AgentTroubleSources, 'silence' | 'allowedSilenceMs'> {
  pid: number;
  identity: { readonly fingerprint: string };
  survey: Pick<MachineSurvey, 'conditions' | 'address'>;
  client: Pick<RequesterClient, 'hasAnswered' | 'lastAcknowledged' | 'silence' | 'allowedSilenceMs'>;
  heartbeat: Pick<Heartbeat, 'lastSent' | 'count'>;
  brokers: BrokerAddresses | undefined;
}

/** Returns what the status says now. It changes nothing, and is asked for at any time. */
export function agentStatus(sources: AgentStatusSources): AgentStatus {
  const { node, identity, connection, survey, pid, client, heartbeat, brokers } = sources;
  const { phase, refused, refusal, reason, operatorReason, cluster, requester } = sources.state;
  const { conditions } = survey;
  const { silence, allowedSilenceMs } = client;
  const troubles = agentTroubles({ ...sources, silence, allowedSilenceMs });
  return {
    role: 'agent',
    node,
    version,
    pid,
    state: refused || refusal ? 'refused' : phase,
    ...(client.hasAnswered || refused || refusal ? {} : { unconfirmed: true as const }),
    reason: refusal?.reason || operatorReason || reason || undefined,
    refusal: refusal?.code,
    schedulable: isSchedulable(sources),
    cordon: sources.state.cordon && shownCordon(sources.state.cordon),
    troubles: troubles.length > 0 ? troubles : undefined,
    fingerprint: identity.fingerprint,
    cluster: cluster || undefined,
    requester: requester || undefined,
    broker: connectionText(connection),
    ...(brokers && brokers.told.length + brokers.learned.length > 1 ? { brokers } : {}),
    lastHeartbeat: heartbeat.lastSent?.toISOString(),
    heartbeats: heartbeat.count,
    lastAcknowledged: client.lastAcknowledged?.toISOString(),
    address: survey.address,
    conditions: conditions.length > 0 ? conditions : undefined,
  };
}

function isSchedulable({ state, client }: AgentStatusSources): boolean | undefined {
  const { phase, cordon, refusal } = state;
  if (client.lastAcknowledged === undefined || phase === 'registered') return undefined;
  return phase === 'approved' && refusal === undefined && cordon === undefined;
}

const shownCordon = ({ Reason, Actor, At, Until, Drain }: Cordon): ShownCordon => ({
  reason: Reason,
  actor: Actor,
  at: At,
  ...(Until ? { until: Until } : {}),
  ...(Drain ? { drain: { at: Drain.At, deadline: Drain.Deadline, drainedAt: Drain.DrainedAt } } : {}),
});
