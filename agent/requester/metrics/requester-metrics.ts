// The figures of a requester for Prometheus, made of its status. No figure names a node.
import { figure, type Metric, stateGauge } from '../../output/metrics.ts';
import { processMetrics } from '../../output/process-metrics.ts';
import type { Counters } from '../status/counters.ts';
import { type RequesterStatus, requesterStates, type StreamStatus } from '../status/requester-status.ts';
import type { NodeCounts } from './node-counts.ts';

export interface RequesterMetricSources {
  readonly status: RequesterStatus;
  /** What is on the roll; undefined until it was read. */
  readonly counts: NodeCounts | undefined;
  /** Number of HEALTHY nodes that have missed a heartbeat; undefined until the roll was read. */
  readonly late: number | undefined;
  readonly isConnected: boolean;
}

/** Returns the figures. The API serves them at `/metrics`. */
export function requesterMetrics({ status, counts, late, isConnected }: RequesterMetricSources): Metric[] {
  return [
    ...processMetrics('requester', status.troubles),
    stateGauge(
      'muster_requester_state',
      'Whether the requester is in this state.',
      requesterStates,
      status.state,
    ),
    ...figure(
      'gauge',
      'muster_requester_watching',
      'Whether this requester watches over the roll and announces what changes.',
      status.watcher === undefined ? undefined : status.watcher === status.node,
    ),
    ...figure('gauge', 'muster_requester_peers', 'Other requesters of this roll.', status.peers?.length),
    ...nodeMetrics(status, counts, late),
    ...counterMetrics(status.counters),
    ...figure(
      'gauge',
      'muster_requester_verdicts_waiting',
      'Silent nodes whose verdicts wait, because the silence may be the fault of something else.',
      status.verdictsWait?.nodes ?? 0,
    ),
    ...figure(
      'gauge',
      'muster_requester_events_waiting',
      'Nodes with events that the broker has not acknowledged.',
      status.eventsWaiting,
    ),
    ...figure(
      'gauge',
      'muster_broker_connected',
      'Whether the role is connected to its broker.',
      isConnected,
    ),
    ...figure(
      'counter',
      'muster_broker_restarts_total',
      "How often the requester's own broker was started again.",
      status.brokerRestarts?.count,
    ),
    ...storeMetrics(status.store ?? []),
  ];
}

function nodeMetrics(
  { nodes }: RequesterStatus,
  counts: NodeCounts | undefined,
  late: number | undefined,
): Metric[] {
  if (!counts) return [];
  return [
    {
      type: 'gauge',
      name: 'muster_nodes',
      help: 'Compute nodes on the roll.',
      samples: counts.nodes.map(({ membership, health, count: value }) => ({
        labels: { membership, health },
        value,
      })),
    },
    ...figure('gauge', 'muster_nodes_cordoned', 'Approved nodes that are cordoned.', counts.cordoned),
    {
      type: 'gauge',
      name: 'muster_nodes_with_condition',
      help: 'Approved nodes that have this condition.',
      samples: counts.conditions.map(({ condition, count: value }) => ({ labels: { condition }, value })),
    },
    ...figure(
      'gauge',
      'muster_nodes_late',
      'HEALTHY nodes that were silent for more than half of requester.nodeDisconnectedAfter.',
      late,
    ),
    ...figure('gauge', 'muster_nodes_unreadable', 'Records of nodes that cannot be read.', nodes?.unreadable),
    ...figure('gauge', 'muster_nodes_lost', 'Nodes whose records the store lost.', nodes?.lost),
  ];
}

const counted: readonly [counter: keyof Counters, name: string, help: string][] = [
  ['heartbeats', 'heartbeats', 'Heartbeats that were received.'],
  ['requests', 'requests', 'Requests of nodes.'],
  ['requestsRefused', 'requests_refused', 'Requests of nodes that were refused.'],
  ['requestsMalformed', 'requests_malformed', 'Requests of nodes that could not be read.'],
  ['registrations', 'registrations', 'Registrations of nodes that were answered.'],
  ['registrationsRefused', 'registrations_refused', 'Registrations of nodes that were refused by a rule.'],
  ['storeFailures', 'store_failures', 'Requests and decisions that failed because the store did not answer.'],
  ['conflicts', 'conflicts', 'Messages that showed two agents with one node id.'],
  ['strangers', 'strangers', 'Connections of keys that nobody knows.'],
  ['refusedKeys', 'keys_refused', 'Connections of keys that may not come in.'],
  ['refusedTokens', 'tokens_refused', "Calls of the API with a token that is no operator's."],
];

const ignored: readonly [counter: keyof Counters, reason: string][] = [
  ['heartbeatsUnknown', 'unknown_node'],
  ['heartbeatsOtherSession', 'other_session'],
  ['heartbeatsMalformed', 'malformed'],
];

const counterMetrics = (counters: Counters): Metric[] => [
  ...counted.flatMap(([counter, name, help]) =>
    figure('counter', `muster_requester_${name}_total`, help, counters[counter]),
  ),
  {
    type: 'counter',
    name: 'muster_requester_heartbeats_ignored_total',
    help: 'Heartbeats that were received and do not count.',
    samples: ignored.map(([counter, reason]) => ({ labels: { reason }, value: counters[counter] })),
  },
];

/** Returns the figures of a store in a cluster of NATS servers; none for a single server. */
function storeMetrics(streams: readonly StreamStatus[]): Metric[] {
  if (streams.length === 0) return [];
  const copies = streams.flatMap(({ stream, others }) =>
    others.map(({ server, ...each }) => ({ labels: { stream, server: server.slice(0, 64) }, ...each })),
  );
  const each = (value: (stream: StreamStatus) => number) =>
    streams.map(status => ({ labels: { stream: status.stream }, value: value(status) }));
  return [
    {
      type: 'gauge',
      name: 'muster_store_has_quorum',
      help: 'Whether this stream of the store has a leader, so that something can be written to it.',
      samples: each(({ leader }) => Number(leader !== undefined)),
    },
    {
      type: 'gauge',
      name: 'muster_store_replicas',
      help: 'Servers that should store this stream.',
      samples: each(({ replicas }) => replicas),
    },
    {
      type: 'gauge',
      name: 'muster_store_replica_current',
      help: 'Whether this server has all that the leader of the stream has.',
      samples: copies.map(({ labels, current }) => ({ labels, value: Number(current) })),
    },
    {
      type: 'gauge',
      name: 'muster_store_replica_lag_operations',
      help: 'Operations on the stream that this server does not have yet.',
      samples: copies.map(({ labels, lag }) => ({ labels, value: lag })),
    },
  ];
}
