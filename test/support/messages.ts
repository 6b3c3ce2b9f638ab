// Makes random messages as arbitraries of fast-check: everything that a correct peer may send, including the strangest
// values.
import fc from 'fast-check';
import type {
  Heartbeat,
  LeaveRequest,
  RegisterRequest,
  UpdateResourcesRequest,
} from '../../agent/protocol/messages.ts';
import type { NodeInfo } from '../../agent/protocol/node-info.ts';
import { memberships, type NodeState } from '../../agent/protocol/node-state.ts';
import { compactResources, type Resources } from '../../agent/protocol/resources.ts';
import type { Tombstone } from '../../agent/protocol/tombstone.ts';

/** Any character of Unicode except surrogates. The arbitrary that `fc.string` has for this takes a second to set up. */
export const unit = fc
  .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }), fc.nat(0x7f))
  .map(point => String.fromCodePoint(point));

// Names of members have no backslash, for the reason at `checkStructure` in agent/protocol/json.ts.
const nameUnit = unit.filter(c => c !== '\\');
export const names = (maxLength: number) =>
  fc.oneof(
    fc.string({ unit: nameUnit, maxLength }),
    fc.constantFrom('', '<b>&\u2028\u2029"', '\u0000\b\f\n', '__proto__', 'constructor', '{[', 'Ω😀'),
  );
export const jsonValues = (maxDepth: number) => fc.jsonValue({ maxDepth, stringUnit: nameUnit });

const plain = { noNullPrototype: true } as const;
const text = (maxLength: number) =>
  fc.oneof(
    fc.string({ unit, maxLength: Math.min(24, Math.floor(maxLength / 2)) }),
    fc.constantFrom('', '<b>&\u2028\u2029"\\', '\u0000\b\f\n', '__proto__', '{[', 'Ω😀'),
  );
const count = fc.oneof(fc.maxSafeNat(), fc.nat(3), fc.constant(Number.MAX_SAFE_INTEGER));
const amount = fc
  .double({ min: 0, noNaN: true, noDefaultInfinity: true })
  .map(value => (value === 0 ? 0 : value));
const signed = fc.maxSafeInteger();

const idLetters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-'];
export const nodeIds = fc.oneof(
  fc.string({ unit: fc.constantFrom(...idLetters), minLength: 1, maxLength: 128 }),
  fc.constantFrom('__proto__', 'constructor', 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607', '-', '0'),
);

/** Times of RFC 3339, with up to 9 digits of fraction and any offset. */
export const times: fc.Arbitrary<string> = fc
  .tuple(
    fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T00:00:00Z'),
      noInvalidDate: true,
    }),
    fc.option(fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 9 })),
    fc.constantFrom('Z', '+00:00', '+05:30', '-11:00', '+23:59'),
  )
  .map(
    ([date, fraction, zone]) => `${date.toISOString().slice(0, 19)}${fraction ? `.${fraction}` : ''}${zone}`,
  );

const gpus = fc.array(
  fc.record({ Index: count, Name: text(256), Vendor: text(64), Memory: count, PCIAddress: text(64) }, plain),
  { maxLength: 4 },
);

const resourcesValues: fc.Arbitrary<Resources> = fc
  .record({ CPU: amount, Memory: count, Disk: count, GPU: count, GPUs: gpus }, plain)
  .map(compactResources);

const labelMaps = fc.option(fc.dictionary(names(12), text(1024), { ...plain, maxKeys: 12 }));

const texts = fc.option(fc.array(text(64), { maxLength: 6 }));

const computeNodeInfo = fc.record(
  {
    ExecutionEngines: texts,
    Publishers: texts,
    StorageSources: texts,
    MaxCapacity: resourcesValues,
    QueueCapacity: resourcesValues,
    AvailableCapacity: resourcesValues,
    MaxJobRequirements: resourcesValues,
    RunningExecutions: signed,
    EnqueuedExecutions: signed,
    address: text(256),
  },
  {
    ...plain,
    requiredKeys: [
      'ExecutionEngines',
      'Publishers',
      'StorageSources',
      'MaxCapacity',
      'QueueCapacity',
      'AvailableCapacity',
      'MaxJobRequirements',
      'RunningExecutions',
      'EnqueuedExecutions',
    ],
  },
);

const buildVersion = fc.record(
  {
    Major: text(32),
    Minor: text(32),
    GitVersion: text(128),
    GitCommit: text(128),
    BuildDate: times,
    GOOS: text(32),
    GOARCH: text(32),
  },
  { ...plain, requiredKeys: ['GitVersion', 'GitCommit', 'BuildDate', 'GOOS', 'GOARCH'] },
);

const host = fc.record(
  {
    Kernel: text(256),
    OS: text(256),
    CPUModel: text(256),
    CPUs: count,
    Memory: count,
    Disk: count,
    Virtualisation: text(64),
  },
  { ...plain, requiredKeys: [] },
);

export const nodeInfos: fc.Arbitrary<NodeInfo> = fc.record(
  {
    NodeID: nodeIds,
    NodeType: fc.constantFrom('Compute', 'Requester', ''),
    Labels: labelMaps,
    SupportedProtocols: texts,
    ComputeNodeInfo: computeNodeInfo,
    BacalhauVersion: buildVersion,
    Hostname: text(255),
    Host: host,
    Agent: fc.record({ Version: text(64) }, plain),
  },
  { ...plain, requiredKeys: ['NodeID', 'NodeType', 'Labels', 'ComputeNodeInfo', 'BacalhauVersion'] },
);

const sender = fc.record(
  { Version: text(64), ClusterID: text(128), Session: text(128), Instance: text(128), BootID: text(128) },
  { ...plain, requiredKeys: ['Version'] },
);

export const registers: fc.Arbitrary<RegisterRequest> = fc.record(
  { Info: nodeInfos, Muster: sender },
  { ...plain, requiredKeys: ['Info'] },
);

export const updateResourcesMessages: fc.Arbitrary<UpdateResourcesRequest> = fc.record(
  {
    NodeID: nodeIds,
    AvailableCapacity: resourcesValues,
    QueueUsedCapacity: resourcesValues,
    Usage: fc.record({ CPU: amount, Memory: count, Disk: count, Load: amount }, plain),
    Muster: sender,
  },
  { ...plain, requiredKeys: ['NodeID', 'AvailableCapacity', 'QueueUsedCapacity'] },
);

export const leaves: fc.Arbitrary<LeaveRequest> = fc.record(
  { NodeID: nodeIds, Reason: text(256), Muster: sender },
  { ...plain, requiredKeys: ['NodeID', 'Reason'] },
);

export const heartbeats: fc.Arbitrary<Heartbeat> = fc.record({ NodeID: nodeIds, Sequence: count }, plain);

const membership = fc.constantFrom(...memberships, '' as const);
const connection = fc.constantFrom('CONNECTED' as const, 'DISCONNECTED' as const);

/** Optional members, of which each may be absent. */
const some = <T>(members: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(members, { ...plain, requiredKeys: [] });

const decided = { Reason: text(1024), Actor: text(256), At: times };
const decision = fc.record(
  { Action: fc.constantFrom('approve' as const, 'reject' as const), ...decided },
  plain,
);
const drain = fc.record({ At: times, Deadline: times }, { ...plain, requiredKeys: ['At'] });
const cordon = fc.record(
  { ...decided, Until: times, Drain: drain },
  { ...plain, requiredKeys: ['Reason', 'Actor', 'At'] },
);
const controlPlane = {
  Labels: fc.dictionary(names(64), text(255), { maxKeys: 3, ...plain }),
  LabelOrigins: fc.array(fc.record({ Label: text(256), ...decided }, plain), { maxLength: 3 }),
  Cordon: cordon,
  JoinCode: text(64),
};

/** Tombstones as the marker of a node contains them, whole and shortened ones. */
export const tombstones: fc.Arbitrary<Tombstone> = fc
  .tuple(
    fc.record({ GoneAt: times, Actor: text(256), Reason: text(1024) }, plain),
    some({
      Membership: fc.constantFrom(...memberships),
      Decision: decision,
      ...controlPlane,
      LabelsLost: fc.boolean(),
      Hostname: text(255),
      PublicKey: text(64),
      FirstRegisteredAt: times,
      RegisteredAt: times,
      LastSeenAt: times,
      Forgotten: fc.boolean(),
      Shortened: fc.boolean(),
    }),
  )
  .map(([gone, known]) => ({ ...known, ...gone }));

export const nodeStates: fc.Arbitrary<NodeState> = fc.record(
  {
    Info: nodeInfos,
    Membership: membership,
    Connection: connection,
    ConnectionState: fc.record(
      {
        Status: connection,
        LastHeartbeat: times,
        LastComputeSeqNum: count,
        LastOrchestratorSeqNum: count,
        ConnectedSince: times,
        DisconnectedSince: times,
        LastError: text(1024),
      },
      { ...plain, requiredKeys: ['Status', 'LastHeartbeat', 'ConnectedSince', 'DisconnectedSince'] },
    ),
    Muster: fc.record(
      {
        Session: text(128),
        Instance: text(128),
        BootID: text(128),
        Version: text(64),
        RegisteredAt: times,
        Decision: decision,
        ...controlPlane,
        FormerIDs: fc.array(fc.record({ ID: fc.constantFrom('old', 'older'), ...decided }, plain), {
          maxLength: 3,
        }),
        Arrival: fc.record({ Revision: count }, plain),
        Former: tombstones,
        Operation: text(64),
        Changes: fc.array(
          fc.record(
            {
              Kind: fc.constantFrom(
                'registered',
                'approved',
                'rejected',
                'deleted',
                'expired',
                'updated',
                'rekeyed',
                'cordoned',
                'uncordoned',
                'drained',
                'labelled',
                'undeleted',
                'renamed',
              ),
              Revision: count,
              At: times,
              Previous: membership,
              Current: membership,
              Reason: text(1024),
              Actor: text(256),
            },
            { ...plain, requiredKeys: ['Kind', 'Revision', 'At', 'Previous', 'Current'] },
          ),
          { maxLength: 4 },
        ),
      },
      { ...plain, requiredKeys: [] },
    ),
  },
  { ...plain, requiredKeys: ['Info', 'Membership', 'Connection'] },
);
