// The one table of settings. The loader, the environment names, the flags, `config show` and docs/configure.md come from it.
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
import { host, port, servers, subject } from './network.ts';
import { cpuAllocation, gpuAllocation, labels, size, sizeAllocation } from './node.ts';
import type { Role } from './role.ts';

/** One row. Without `default` the setting is optional, and `undefined` until it is given. */
export interface Setting {
  readonly type: SettingKind<unknown>;
  /** As an operator would write it. */
  readonly default?: Plain;
  /** May it change while the program runs, on SIGHUP? */
  readonly reload: boolean;
  /** Who reads it. */
  readonly roles: Role | 'both';
  /** Shown as `<redacted>`, never a flag, and also read from the service manager's credentials. */
  readonly secret?: true;
  /** One line. */
  readonly help: string;
}

export const table = {
  'compute.infoUpdateFrequency': {
    type: duration(),
    default: '60s',
    reload: true,
    roles: 'agent',
    help: 'how often the agent sends what the machine is',
  },
  'compute.resourceUpdateFrequency': {
    type: duration(),
    default: '30s',
    reload: true,
    roles: 'agent',
    help: 'how often the agent sends what the machine has free',
  },
  'compute.heartbeatFrequency': {
    type: duration(),
    default: '15s',
    reload: true,
    roles: 'agent',
    help: 'how often the agent says that it is alive',
  },
  'compute.heartbeatTopic': {
    type: subject,
    default: defaultHeartbeatTopic,
    reload: false,
    roles: 'agent',
    help: 'subject of its heartbeats; {nodeId} stands for its id, a subject without it is for Bacalhau up to 1.4',
  },
  'compute.rejoinAfterDelete': {
    type: boolean,
    default: false,
    reload: true,
    roles: 'agent',
    help: 'register again at once after an operator deleted the node',
  },
  'compute.allocatedCapacity.cpu': {
    type: cpuAllocation,
    default: '80%',
    reload: true,
    roles: 'agent',
    help: 'CPU that the cluster may use: a share of the machine, or cores',
  },
  'compute.allocatedCapacity.memory': {
    type: sizeAllocation,
    default: '80%',
    reload: true,
    roles: 'agent',
    help: 'memory that the cluster may use: a share of the machine, or a size',
  },
  'compute.allocatedCapacity.disk': {
    type: sizeAllocation,
    default: '80%',
    reload: true,
    roles: 'agent',
    help: 'disk that the cluster may use: a share of the machine, or a size',
  },
  'compute.allocatedCapacity.gpu': {
    type: gpuAllocation,
    default: '100%',
    reload: true,
    roles: 'agent',
    help: 'GPUs that the cluster may use: a share of the machine, or a number',
  },
  'requester.heartbeatFrequency': {
    type: duration(),
    default: '5s',
    reload: false,
    roles: 'requester',
    help: 'how often the requester looks for nodes that fell silent',
  },
  'requester.heartbeatTopic': {
    type: subject,
    default: defaultHeartbeatTopic,
    reload: false,
    roles: 'requester',
    help: 'subject on which it hears heartbeats, spelled as compute.heartbeatTopic; {nodeId} stands for every id',
  },
  'requester.nodeDisconnectedAfter': {
    type: duration(),
    default: '45s',
    reload: false,
    roles: 'requester',
    help: 'silence after which a node is UNHEALTHY',
  },
  'requester.nodeUnknownAfter': {
    type: duration(),
    default: '90s',
    reload: false,
    roles: 'requester',
    help: 'silence after which a node is UNKNOWN; longer than requester.nodeDisconnectedAfter',
  },
  'requester.manualApproval': {
    type: boolean,
    default: true,
    reload: true,
    roles: 'requester',
    help: 'new nodes wait for an operator; false approves them as they register',
  },
  'requester.maxPending': {
    type: integer(0, 1_000_000),
    default: 1000,
    reload: true,
    roles: 'requester',
    help: 'most nodes that may wait for approval; one more is refused',
  },
  'nats.servers': {
    type: servers,
    default: [],
    reload: false,
    roles: 'both',
    help: 'NATS servers to use; with none, the requester runs a broker of its own',
  },
  'nats.token': {
    type: secret,
    reload: false,
    roles: 'both',
    secret: true,
    help: 'token that NATS asks for',
  },
  'nats.tokenFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'file that holds the token, read again at each attempt to connect',
  },
  'nats.user': {
    type: text(/^[^\u0000-\u001f\u007f]{1,256}$/u, '1 to 256 characters on one line'),
    reload: false,
    roles: 'both',
    help: 'user that NATS asks for',
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
    help: 'file that holds the password, read again at each attempt to connect',
  },
  'nats.credsFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'NATS credentials file (user JWT and seed), read again at each attempt to connect',
  },
  'nats.tls.caFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'certificate authority that signed the certificate of NATS, in PEM',
  },
  'nats.tls.certFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'certificate to show to NATS, in PEM',
  },
  'nats.tls.keyFile': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'private key of nats.tls.certFile, in PEM',
  },
  'nats.tls.handshakeFirst': {
    type: boolean,
    default: false,
    reload: false,
    roles: 'both',
    help: 'begin TLS before NATS says hello, for servers set to handshake_first',
  },
  'broker.binary': {
    type: path,
    reload: false,
    roles: 'requester',
    help: 'nats-server to run; without it, the one that the packaged file carries, else the one on PATH',
  },
  'broker.host': {
    type: host,
    default: '127.0.0.1',
    reload: false,
    roles: 'requester',
    help: 'address on which the own broker listens',
  },
  'broker.port': {
    type: port,
    default: 4222,
    reload: false,
    roles: 'requester',
    help: 'port on which the own broker listens; 0 takes a free one',
  },
  'node.id': {
    type: text(/^[A-Za-z0-9_-]{1,128}$/, '1 to 128 letters, digits, - and _'),
    reload: false,
    roles: 'both',
    help: 'id of the node; without it, the one kept from the first start',
  },
  'node.nameProvider': {
    type: choice('puuid', 'uuid', 'hostname', 'aws', 'gcp'),
    default: 'puuid',
    reload: false,
    roles: 'both',
    help: 'where the id comes from at the first start',
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
    help: 'ask the cloud once for region, zone and machine type, and add them as labels',
  },
  'node.declared.cpu': {
    type: integer(1, 65_536),
    reload: true,
    roles: 'agent',
    help: 'logical CPUs that the machine should have; fewer is a condition of the node',
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
    help: 'usable GPUs that the machine should have',
  },
  'node.declared.gpuName': {
    type: text(/^[^\u0000-\u001f\u007f]{1,128}$/u, '1 to 128 characters on one line'),
    reload: true,
    roles: 'agent',
    help: 'a part of the name that each of them should have, such as H100',
  },
  'node.declared.gpuMemory': {
    type: size,
    reload: true,
    roles: 'agent',
    help: 'memory that each of them should have',
  },
  'node.nvmlLibrary': {
    type: path,
    reload: false,
    roles: 'agent',
    help: 'the NVIDIA management library; without it, libnvidia-ml.so.1 as the system finds it',
  },
  'api.host': {
    type: host,
    default: '127.0.0.1',
    reload: false,
    roles: 'requester',
    help: 'address of the HTTP API: where the requester listens, and the commands call',
  },
  'api.port': {
    type: port,
    default: 1234,
    reload: false,
    roles: 'requester',
    help: 'port of the HTTP API',
  },
  dataDir: {
    type: path,
    reload: false,
    roles: 'both',
    help: 'folder for all state; each role has its own folder in it',
  },
  'log.level': {
    type: choice('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    default: 'info',
    reload: true,
    roles: 'both',
    help: 'least important lines to log',
  },
  'log.format': {
    type: choice('auto', 'json', 'text'),
    default: 'auto',
    reload: false,
    roles: 'both',
    help: 'json for programs, text for people; auto is text on a terminal and json elsewhere',
  },
  'log.file': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'file that takes the log, opened anew when it was rotated; without it, standard error',
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

/** Every setting's value by path: `settings.compute.heartbeatFrequency`. Durations are milliseconds, sizes bytes. */
export type Settings = Nested<Table>;

/** The settings that may be given on the command line. */
export type FlagKey = Exclude<SettingKey, SecretKey>;
