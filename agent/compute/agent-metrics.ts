// The figures of an agent for Prometheus, made of its status.
import { figure, type Metric, stateGauge } from '../output/metrics.ts';
import { processMetrics } from '../output/process-metrics.ts';
import { type AgentStatus, agentStates } from './agent-status.ts';
import type { Lateness } from './reports/report-schedule.ts';

export interface AgentMetricSources {
  readonly status: AgentStatus;
  readonly isConnected: boolean;
  /** How late the heartbeats were. */
  readonly lateness: Lateness;
}

/** Returns the figures. The agent serves them where `metrics.port` says. */
export function agentMetrics({ status, isConnected, lateness }: AgentMetricSources): Metric[] {
  return [
    ...processMetrics('agent', status.troubles),
    stateGauge('muster_agent_state', 'Whether the agent is in this state.', agentStates, status.state),
    ...figure(
      'gauge',
      'muster_broker_connected',
      'Whether the role is connected to its broker.',
      isConnected,
    ),
    ...figure('counter', 'muster_agent_heartbeats_total', 'Heartbeats that were sent.', status.heartbeats),
    ...figure(
      'counter',
      'muster_agent_heartbeats_late_total',
      'Heartbeats whose turn came more than a second late.',
      lateness.late,
    ),
    ...figure(
      'counter',
      'muster_agent_heartbeat_lateness_seconds_total',
      'Time by which the turns of heartbeats were late, in all.',
      lateness.totalMs / 1000,
    ),
    ...figure(
      'gauge',
      'muster_agent_last_heartbeat_timestamp_seconds',
      'When the last heartbeat was sent, in seconds since 1970.',
      secondsOf(status.lastHeartbeat),
    ),
    ...figure(
      'gauge',
      'muster_agent_last_acknowledged_timestamp_seconds',
      'When the requester last carried out a request, in seconds since 1970.',
      secondsOf(status.lastAcknowledged),
    ),
    {
      type: 'gauge',
      name: 'muster_agent_condition',
      help: 'Always 1, for each condition that the node has.',
      samples: (status.conditions ?? []).map(({ Type: condition }) => ({ labels: { condition }, value: 1 })),
    },
  ];
}

const secondsOf = (time: string | undefined): number | undefined =>
  time === undefined ? undefined : Date.parse(time) / 1000;
