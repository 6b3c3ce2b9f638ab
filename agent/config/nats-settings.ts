// The settings by which both roles reach NATS, and the join code of a new node.
import { boolean, path, secret, text } from './kind.ts';
import { accountKey, servers } from './network.ts';
import type { Setting } from './setting.ts';

export const natsSettings = {
  'nats.servers': {
    type: servers,
    default: [],
    reload: false,
    roles: 'both',
    help: 'NATS servers; without any, the requester runs its own broker and the agent connects to 127.0.0.1:4222',
  },
  'nats.token': {
    type: secret,
    reload: false,
    roles: 'both',
    secret: true,
    help: 'token for the login to NATS',
  },
  'nats.tokenFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'file that holds the token; it is read again at each attempt to connect',
  },
  'nats.user': {
    type: text(/^[^\u0000-\u001f\u007f]{1,256}$/u, '1 to 256 characters on one line'),
    reload: false,
    roles: 'both',
    help: 'user for the login to NATS',
  },
  'nats.password': {
    type: secret,
    reload: false,
    roles: 'both',
    secret: true,
    help: 'password of nats.user',
  },
  'nats.passwordFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'file that holds the password of nats.user; it is read again at each attempt to connect',
  },
  'nats.credsFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'NATS credentials file (JWT and seed of the user); it is read again at each attempt to connect',
  },
  'nats.accounts.muster': {
    type: accountKey,
    reload: false,
    roles: 'requester',
    help: 'on a NATS with an operator, the key of the account of the requester and the nodes',
  },
  'nats.accounts.listen': {
    type: accountKey,
    reload: false,
    roles: 'requester',
    help: 'on a NATS with an operator, the key of the account of listeners that read stored events',
  },
  'nats.accounts.listenLive': {
    type: accountKey,
    reload: false,
    roles: 'requester',
    help: 'on a NATS with an operator, the key of the account of listeners that hear events as they are sent',
  },
  'nats.accounts.unverified': {
    type: accountKey,
    reload: false,
    roles: 'requester',
    help: 'on a NATS with an operator, the key of the account of nodes without a key',
  },
  'nats.tls.caFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'file with the CA that signed the certificate of NATS, in PEM',
  },
  'nats.tls.certFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'file with the certificate that muster shows to NATS, in PEM',
  },
  'nats.tls.keyFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'file with the private key of nats.tls.certFile, in PEM',
  },
  'nats.tls.handshakeFirst': {
    type: boolean,
    default: false,
    reload: false,
    roles: 'both',
    help: 'TLS begins before the greeting of NATS, for servers that are set to handshake_first',
  },
  'join.code': {
    type: secret,
    reload: false,
    roles: 'agent',
    secret: true,
    help: 'join code with which a new node finds its cluster and comes in; it is used once',
  },
  'join.codeFile': {
    type: path,
    reload: false,
    roles: 'agent',
    help: 'file that holds the join code',
  },
} satisfies Record<string, Setting>;
