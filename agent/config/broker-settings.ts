// The settings of the requester's own broker.
import { boolean, path } from './kind.ts';
import { loginKeys } from './login-keys.ts';
import { addresses, host, port } from './network.ts';
import type { Setting } from './setting.ts';
import { subjectTemplates } from './subject-templates.ts';

export const brokerSettings = {
  'broker.binary': {
    type: path,
    reload: false,
    roles: 'requester',
    help: 'nats-server that the requester runs; by default the one in the packaged file, or else the one on PATH',
  },
  'broker.host': {
    type: host,
    default: '127.0.0.1',
    reload: false,
    roles: 'requester',
    help: 'address on which the broker of the requester listens',
  },
  'broker.port': {
    type: port,
    default: 4222,
    reload: false,
    roles: 'requester',
    help: 'port on which the broker of the requester listens; 0 is any free port',
  },
  'broker.advertise': {
    type: addresses,
    default: [],
    reload: false,
    roles: 'requester',
    help: 'addresses by which nodes reach the broker: in its certificate and in join codes; by default all of this machine',
  },
  'broker.allowPlaintext': {
    type: boolean,
    default: false,
    reload: false,
    roles: 'requester',
    help: 'the broker listens without TLS also where other machines reach it; whoever is in between can be any node',
  },
  'broker.requesters': {
    type: loginKeys,
    default: [],
    reload: false,
    roles: 'requester',
    help: 'public keys of further requesters, which the broker lets in to keep the same roll',
  },
  'broker.approved.publish': {
    type: subjectTemplates,
    default: [],
    reload: false,
    roles: 'requester',
    help: 'further subjects on which an approved node may send; {nodeId} stands for the id of the node',
  },
  'broker.approved.subscribe': {
    type: subjectTemplates,
    default: [],
    reload: false,
    roles: 'requester',
    help: 'further subjects that an approved node may hear; {nodeId} stands for the id of the node',
  },
  'broker.tls.certFile': {
    type: path,
    reload: false,
    roles: 'requester',
    help: 'file with your own certificate for the broker, in PEM, with those between it and the CA; by default one is made',
  },
  'broker.tls.keyFile': {
    type: path,
    reload: false,
    roles: 'requester',
    help: 'file with the private key of broker.tls.certFile, in PEM',
  },
  'broker.tls.caFile': {
    type: path,
    reload: false,
    roles: 'requester',
    help: 'file with the CA of broker.tls.certFile, in PEM; without it, nodes must trust that CA already',
  },
} satisfies Record<string, Setting>;
