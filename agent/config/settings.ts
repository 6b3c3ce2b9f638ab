// The table of all settings is the source of the loader, the environment names, the flags, `config show` and
// docs/configure.md.
import { defaultHeartbeatTopic } from '../protocol/subjects.ts';
import {
  boolean,
  choice,
  duration,
  integer,
  type Plain,
  path,
  type SettingKind,
  secret,
  text,
} from './kind.ts';
import { loginKeys } from './login-keys.ts';
import { addresses, host, pin, port, servers, subject } from './network.ts';
import { cpuAllocation, gpuAllocation, labels, size, sizeAllocation } from './node.ts';
import type { Role } from './role.ts';
import { subjectTemplates } from './subject-templates.ts';

/** Who reads a setting. */
export type Readers = Role | 'both' | 'commands';

/** One setting. Without a `default` it is optional, and `undefined` when nobody sets it. */
export interface Setting {
  readonly type: SettingKind<unknown>;
  /** The default value, as an operator would write it. */
  readonly default?: Plain;
  /** Whether it can change while the program runs, on SIGHUP. */
  readonly reload: boolean;
  /** The roles that read the setting. `commands` are those that ask a requester, and no role. */
  readonly roles: Readers;
  /**
   * Whether the value is a secret. A secret is shown as `<redacted>`, is never a flag, and may also come from the service
   * manager's credentials.
   */
  readonly secret?: true;
  /** One line about the setting, for the documents and the sample file. */
  readonly help: string;
}

export const table = {
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
    help: 'subject of the heartbeats; {nodeId} stands for the id of the node, and Bacalhau up to 1.4 wants it left out',
  },
  'compute.rejoinAfterDelete': {
    type: boolean,
    default: false,
    reload: true,
    roles: 'agent',
    help: 'the agent registers again at once after an operator deleted the node',
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
    help: "file that holds the operator's token; by default the requester's own on its machine",
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
    type: pin,
    reload: false,
    roles: 'commands',
    help: 'pin of the CA that signed the certificate of the API; muster doctor on the requester shows it',
  },
  dataDir: {
    type: path,
    reload: false,
    roles: 'both',
    help: 'folder for all state, in which each role has its own folder',
  },
  'log.level': {
    type: choice('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    default: 'info',
    reload: true,
    roles: 'both',
    help: 'level of the least important lines in the log',
  },
  'log.format': {
    type: choice('auto', 'json', 'text'),
    default: 'auto',
    reload: false,
    roles: 'both',
    help: 'json is for programs, text for people; auto is text on a terminal and json elsewhere',
  },
  'log.file': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'file for the log, which may be rotated; by default the log goes to standard error',
  },
} satisfies Record<string, Setting>;

type Table = typeof table;
export type SettingKey = keyof Table;
export type SecretKey = {
  [Key in SettingKey]: Table[Key] extends { secret: true } ? Key : never;
}[SettingKey];

type Value<Row> = Row extends { type: SettingKind<infer T> }
  ? Row extends { default: Plain }
    ? T
    : T | undefined
  : never;
type Head<Key> = Key extends `${infer First}.${string}` ? First : Key;
type Below<T, First> = {
  [Key in keyof T as Key extends `${First & string}.${infer Rest}` ? Rest : never]: T[Key];
};
type Nested<T> = {
  readonly [First in Head<keyof T> & string]: First extends keyof T
    ? Value<T[First]>
    : Nested<Below<T, First>>;
};

/**
 * The values of all settings by path: `settings.compute.heartbeatFrequency`. Durations are in milliseconds, sizes in bytes.
 */
export type Settings = Nested<Table>;

/** The settings that may be given on the command line. */
export type FlagKey = Exclude<SettingKey, SecretKey>;
