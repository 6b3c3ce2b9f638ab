// The settings of what a node is: its id, its labels, and the hardware that it should have.
import { boolean, choice, integer, path, text } from './kind.ts';
import { addressChoice } from './network.ts';
import { labels, size } from './node.ts';
import type { Setting } from './setting.ts';

export const nodeSettings = {
  'node.id': {
    type: text(/^[A-Za-z0-9_-]{1,128}$/, '1 to 128 letters, digits, - and _'),
    reload: false,
    roles: 'both',
    help: 'id of the node; by default the one that was made at the first start',
  },
  'node.nameProvider': {
    type: choice('puuid', 'uuid', 'hostname', 'aws', 'gcp'),
    default: 'puuid',
    reload: false,
    roles: 'both',
    help: 'source of the id at the first start',
  },
  'node.labels': {
    type: labels,
    default: {},
    reload: true,
    roles: 'both',
    help: 'labels of the node, at most 64',
  },
  'node.address': {
    type: addressChoice,
    reload: true,
    roles: 'agent',
    help: 'address shown to others: an address, an interface or a network; by default the way to the broker',
  },
  'node.cloudMetadata': {
    type: boolean,
    default: false,
    reload: false,
    roles: 'agent',
    help: 'the agent asks the cloud once for region, zone and machine type, and adds them as labels',
  },
  'node.declared.cpu': {
    type: integer(1, 65_536),
    reload: true,
    roles: 'agent',
    help: 'number of logical CPUs that the machine should have; with fewer the node has a condition',
  },
  'node.declared.memory': {
    type: size,
    reload: true,
    roles: 'agent',
    help: 'memory that the machine should have',
  },
  'node.declared.disk': {
    type: size,
    reload: true,
    roles: 'agent',
    help: 'size that the file system of the data folder should have',
  },
  'node.declared.gpu': {
    type: integer(0, 256),
    reload: true,
    roles: 'agent',
    help: 'number of usable GPUs that the machine should have',
  },
  'node.declared.gpuName': {
    type: text(/^[^\u0000-\u001f\u007f]{1,128}$/u, '1 to 128 characters on one line'),
    reload: true,
    roles: 'agent',
    help: 'part of the name that each GPU should have, such as H100',
  },
  'node.declared.gpuMemory': {
    type: size,
    reload: true,
    roles: 'agent',
    help: 'memory that each GPU should have',
  },
  'node.nvmlLibrary': {
    type: path,
    reload: false,
    roles: 'agent',
    help: 'NVIDIA management library; by default libnvidia-ml.so.1, which the system finds',
  },
} satisfies Record<string, Setting>;
