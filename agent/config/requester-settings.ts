// The settings by which the requester judges and admits nodes.
import { defaultHeartbeatTopic } from '../protocol/subjects.ts';
import { boolean, duration, integer } from './kind.ts';
import { subject } from './network.ts';
import type { Setting } from './setting.ts';

export const requesterSettings = {
  'requester.heartbeatFrequency': {
    type: duration(),
    default: '5s',
    reload: false,
    roles: 'requester',
    help: 'time between two checks for silent nodes',
  },
  'requester.heartbeatTopic': {
    type: subject,
    default: defaultHeartbeatTopic,
    reload: false,
    roles: 'requester',
    help: 'subject on which heartbeats arrive, the same as compute.heartbeatTopic; {nodeId} stands for every id',
  },
  'requester.nodeDisconnectedAfter': {
    type: duration(),
    default: '45s',
    reload: false,
    roles: 'requester',
    help: 'time without a heartbeat after which a node is UNHEALTHY',
  },
  'requester.nodeUnknownAfter': {
    type: duration(),
    default: '90s',
    reload: false,
    roles: 'requester',
    help: 'time without a heartbeat after which a node is UNKNOWN; longer than requester.nodeDisconnectedAfter',
  },
  'requester.manualApproval': {
    type: boolean,
    default: true,
    reload: true,
    roles: 'requester',
    help: 'new nodes wait until an operator approves them; with false they are approved at once',
  },
  'requester.maxPending': {
    type: integer(0, 1_000_000),
    default: 1000,
    reload: true,
    roles: 'requester',
    help: 'largest number of nodes that wait for approval; without manualApproval, the number approved in an hour',
  },
  'requester.forgetAfter': {
    type: duration(3_600_000, 3650 * 24 * 3_600_000),
    reload: true,
    roles: 'requester',
    help: 'nodes that were not heard for this long are forgotten, and may come back as PENDING; unset for never',
  },
  'requester.unverifiedNodes': {
    type: boolean,
    default: false,
    reload: false,
    roles: 'requester',
    help: 'the own broker lets in nodes of Bacalhau, which have no key, by the token in bacalhau.token',
  },
  'requester.requireIdentity': {
    type: boolean,
    default: false,
    reload: false,
    roles: 'requester',
    help: 'on a NATS that does not check the keys of nodes, the requester refuses to start',
  },
} satisfies Record<string, Setting>;
