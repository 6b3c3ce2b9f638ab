// The settings of the agent's reports, and of what the cluster may use of its machine.
import { defaultHeartbeatTopic } from '../protocol/subjects.ts';
import { boolean, duration, path } from './kind.ts';
import { subject } from './network.ts';
import { cpuAllocation, gpuAllocation, sizeAllocation } from './node.ts';
import type { Setting } from './setting.ts';

export const computeSettings = {
  'compute.infoUpdateFrequency': {
    type: duration(),
    default: '60s',
    reload: true,
    roles: 'agent',
    help: 'time between two reports of what the machine is',
  },
  'compute.resourceUpdateFrequency': {
    type: duration(),
    default: '30s',
    reload: true,
    roles: 'agent',
    help: 'time between two reports of what the machine has free',
  },
  'compute.heartbeatFrequency': {
    type: duration(),
    default: '15s',
    reload: true,
    roles: 'agent',
    help: 'time between two heartbeats of the agent',
  },
  'compute.heartbeatTopic': {
    type: subject,
    default: defaultHeartbeatTopic,
    reload: false,
    roles: 'agent',
    help: 'subject of the heartbeats; {nodeId} stands for the id of the node',
  },
  'compute.rejoinAfterDelete': {
    type: boolean,
    default: false,
    reload: true,
    roles: 'agent',
    help: 'the agent registers again at once after an operator deleted the node',
  },
  'compute.busyFile': {
    type: path,
    reload: true,
    roles: 'agent',
    help: 'file that a local scheduler keeps while the machine is busy; it may contain how much runs',
  },
  'compute.allocatedCapacity.cpu': {
    type: cpuAllocation,
    default: '80%',
    reload: true,
    roles: 'agent',
    help: 'CPU that the cluster may use: a share of the machine or a number of cores',
  },
  'compute.allocatedCapacity.memory': {
    type: sizeAllocation,
    default: '80%',
    reload: true,
    roles: 'agent',
    help: 'memory that the cluster may use: a share of the machine or a size',
  },
  'compute.allocatedCapacity.disk': {
    type: sizeAllocation,
    default: '80%',
    reload: true,
    roles: 'agent',
    help: 'disk that the cluster may use: a share of the machine or a size',
  },
  'compute.allocatedCapacity.gpu': {
    type: gpuAllocation,
    default: '100%',
    reload: true,
    roles: 'agent',
    help: 'GPUs that the cluster may use: a share of the machine or a number',
  },
} satisfies Record<string, Setting>;
