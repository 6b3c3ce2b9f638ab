// The settings of the HTTP API, for the requester and for the commands that call it.
import { apiServers } from './api-servers.ts';
import { boolean, path, secret } from './kind.ts';
import { host, port } from './network.ts';
import { pins } from './pins.ts';
import type { Setting } from './setting.ts';

export const apiSettings = {
  'api.host': {
    type: host,
    default: '127.0.0.1',
    reload: false,
    roles: 'requester',
    help: 'address of the HTTP API, on which the requester listens and which the commands call',
  },
  'api.port': {
    type: port,
    default: 1234,
    reload: false,
    roles: 'requester',
    help: 'port of the HTTP API',
  },
  'api.servers': {
    type: apiServers,
    default: [],
    reload: false,
    roles: 'commands',
    help: 'APIs that the commands try in turn; --api-host and --api-port ask another one instead',
  },
  'api.openReads': {
    type: boolean,
    default: true,
    reload: false,
    roles: 'requester',
    help: "on the loopback, reading needs no operator's token; beyond it, every request needs one",
  },
  'api.token': {
    type: secret,
    reload: false,
    roles: 'commands',
    secret: true,
    help: "operator's token that the commands show",
  },
  'api.tokenFile': {
    type: path,
    reload: false,
    roles: 'commands',
    help: "file that holds the operator's token; the requester's own by default, none with /dev/null",
  },
  'api.tls.certFile': {
    type: path,
    reload: false,
    roles: 'requester',
    help: 'file with the certificate of the API, in PEM, with those between it and the CA; by default one is made',
  },
  'api.tls.keyFile': {
    type: path,
    reload: false,
    roles: 'requester',
    help: 'file with the private key of api.tls.certFile, in PEM',
  },
  'api.tls.caFile': {
    type: path,
    reload: false,
    roles: 'commands',
    help: 'file with the CA that signed the certificate of the API, in PEM',
  },
  'api.tls.pin': {
    type: pins,
    default: [],
    reload: false,
    roles: 'commands',
    help: 'pins of the CAs that signed the certificates of the APIs; muster doctor on each requester shows its own',
  },
} satisfies Record<string, Setting>;
