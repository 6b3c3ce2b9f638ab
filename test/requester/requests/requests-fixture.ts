// Answers nodes' requests over a roll in memory, and records the calls of the health watch and the conflict detector.
import type { Sender } from '../../../agent/protocol/messages.ts';
import {
  type ManagementMethod,
  managementWildcard,
  requestersQueue,
} from '../../../agent/protocol/subjects.ts';
import { Drains } from '../../../agent/requester/cordons/drains.ts';
import {
  answerNodeRequests,
  type NodeRequestsOptions,
} from '../../../agent/requester/requests/node-requests.ts';
import { Executions } from '../../../agent/requester/roll/executions.ts';
import { ResourceStore } from '../../../agent/requester/roll/resource-store.ts';
import { newCounters } from '../../../agent/requester/status/counters.ts';
import { version } from '../../../agent/system/version.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { openRoll } from '../roll/roll-fixture.ts';
import { computeInfo, counting, requesterNode } from '../samples.ts';

const topic = 'bacalhau.global.compute.{nodeId}.out.heartbeat';

export async function begin(
  options: Parameters<typeof openRoll>[2] & {
    requests?: Partial<Pick<NodeRequestsOptions, 'peers' | 'mayAnswer' | 'refreshKey' | 'authorities'>>;
    /** Whether another requester gets the requests of nodes from the queue. */
    isAnsweredByAnother?: boolean;
  } = {},
) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  // What the queue gives to another requester as long as that one subscribes.
  const another = broker.connect();
  if (options.isAnsweredByAnother) another.subscribe(managementWildcard, () => undefined, requestersQueue);
  const open = await openRoll(broker, clock, { random: counting('s'), ...options });
  const { roll } = open;
  await roll.registerSelf(requesterNode('node-0'));
  const { log, lines } = recordLog();
  const resources = new ResourceStore();
  const executions = new Executions();
  const counters = newCounters();
  /** The calls of the health watch and the conflict detector. */
  const calls: string[] = [];
  const subscription = answerNodeRequests({
    peers: { areThere: false, mayHaveWritten: false },
    refreshKey: async () => undefined,
    othersAuthorities: () => [],
    mayAnswer: () => true,
    ...options.requests,
    hasUnverified: false,
    isShared: true,
    connection: broker.connect(),
    clock,
    log,
    roll,
    resources,
    executions,
    drains: new Drains({ clock, log, roll }),
    counters,
    clusterId: 'c-1',
    requesterId: 'node-0',
    heartbeatTopic: topic,
    nodeDisconnectedAfter: 45_000,
    health: {
      markAlive: id => void calls.push(`alive ${id}`),
      markLeft: (id, reason) => void calls.push(`left ${id}: ${reason}`),
    },
    waiting: open.waiting,
    conflicts: {
      onMessage: () => undefined,
      onOtherSession: ({ Info }) => void calls.push(`other session ${Info.NodeID}`),
    },
  });
  const node = broker.connect();
  /** Sends these bytes and returns those of the answer. Time passes, so that a store can time out. */
  const send = async (subject: string, data: Uint8Array | string): Promise<string> => {
    const answer = node.request(subject, data, 60_000);
    answer.catch(() => undefined);
    await clock.settle();
    await clock.advance(15_000);
    return Buffer.from((await answer).data).toString();
  };
  const ask = (id: string, method: ManagementMethod, body: unknown) =>
    send(`node.management.${id}.${method}`, JSON.stringify(body));
  const asked = async (id: string, method: ManagementMethod, body: unknown) =>
    JSON.parse(await ask(id, method, body));
  const register = async (id: string, Muster?: Sender) =>
    asked(id, 'RegisterNode/v1', { Info: computeInfo(id), ...(Muster ? { Muster } : {}) });
  return {
    clock,
    broker,
    another,
    open,
    roll,
    log,
    lines,
    resources,
    counters,
    calls,
    subscription,
    node,
    send,
    ask,
    asked,
    register,
  };
}

export const decision = { reason: '', actor: 'ann' };
export const update = (id: string, more = {}) => ({
  NodeID: id,
  AvailableCapacity: { CPU: 2 },
  QueueUsedCapacity: {},
  ...more,
});

/** Returns the member that every answer to a muster agent has beside Bacalhau's members. */
export const musterMember = (more: object) => ({
  Version: version,
  ClusterID: 'c-1',
  RequesterID: 'node-0',
  HeartbeatTopic: topic,
  NodeDisconnectedAfter: 45_000,
  ...more,
});
