// `muster node describe` shows a node to a person in 80 columns, without empty, zero or raw values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readNode } from '../../../../agent/api/answers.ts';
import { describeText } from '../../../../agent/cli/commands/node/describe-text.ts';
import { emptyComputeNodeInfo, zeroTime } from '../../../../agent/protocol/node-info.ts';
import { computeInfo, record, requesterNode } from '../../../requester/samples.ts';

const now = new Date('2026-01-01T12:00:00Z');
const build = { GitVersion: '', GitCommit: '', BuildDate: zeroTime, GOOS: 'linux', GOARCH: 'amd64' };

/** Describes a node as the API shows it. */
const described = (node: object) => describeText(readNode(JSON.parse(JSON.stringify(node))), now);

test('a node that waits for approval is described with the command that approves it', () => {
  const info = { ...computeInfo('node-1', {}), BacalhauVersion: build, Agent: { Version: '0.1.0' } };
  const compute = { ...emptyComputeNodeInfo, MaxCapacity: { CPU: 1.6, Memory: 20.2e9 } };
  const node = record('node-1', 'PENDING', { Info: { ...info, ComputeNodeInfo: compute } });
  const Muster = { Health: 'UNKNOWN', RegisteredAt: '2026-01-01T09:00:00Z' };
  assert.equal(
    described({ ...node, Muster }),
    `node-1
  type         Compute
  approval     PENDING; to let it take part: muster node approve node-1
  status       UNKNOWN, never heard
  fingerprint  unverified: the requester checks no key of this node
  registered   2026-01-01 09:00:00 UTC (3 h ago)
  version      muster 0.1.0

machine
  platform     linux/amd64

capacity
  CPU          1.6
  memory       20 GB
`,
  );
});

test('a conflict is described with the hosts of both agents, as far as they are known', () => {
  const conflictRow = (...hosts: string[]) => {
    const Agents = hosts.map(Host => ({ Host, Instance: 'i' }));
    const Muster = { Health: 'HEALTHY', Conflict: { At: '2026-01-01T11:57:00Z', Agents } };
    const text = described({ ...record('node-1', 'APPROVED'), Muster }).replace(/\n +/g, ' ');
    return /conflict +(.*ago\)\..*node\.id)/.exec(text)?.[1];
  };
  const when =
    'last noticed 2026-01-01 11:57:00 UTC (3 min ago). Stop one of them, or give it another id: node.id';
  assert.equal(conflictRow('gpu-1', 'gpu-7'), `two agents use this id, on gpu-1 and gpu-7; ${when}`);
  assert.equal(conflictRow('gpu-1', 'gpu-1'), `two agents use this id, on gpu-1; ${when}`);
  assert.equal(conflictRow('', ''), `two agents use this id; ${when}`);
});

test('a conflict of keys is described with both sides, and with the command that ends it', () => {
  const conflictRow = (known: object, wanted: object) => {
    const Conflict = { At: '2026-01-01T11:57:00Z', Agents: [known, wanted] };
    const Muster = { Health: 'HEALTHY', Fingerprint: 'AAAA-1', Conflict };
    const text = described({ ...record('node-1', 'APPROVED'), Muster }).replace(/\n +/g, ' ');
    return /conflict +(.*) version/.exec(text)?.[1] ?? text;
  };
  const when = 'last noticed 2026-01-01 11:57:00 UTC (3 min ago)';
  const known = { Host: 'gpu-1', Address: '10.0.0.1', Fingerprint: 'AAAA-1' };
  const wanted = { Host: '', Address: '10.0.0.2', Fingerprint: 'BBBB-2' };
  assert.equal(
    conflictRow(known, wanted),
    `the key BBBB-2, on 10.0.0.2, wants to be this node; it has AAAA-1, on gpu-1 (10.0.0.1); ${when}. If that machine was reinstalled: muster node rekey node-1 --fingerprint BBBB-2`,
  );
  assert.match(conflictRow({ Host: 'gpu-1' }, wanted), /it has no key yet;/);
  assert.equal(
    conflictRow(known, { ...wanted, Fingerprint: 'AAAA-1' }),
    `two agents use this key: one is on gpu-1 (10.0.0.1), the other on 10.0.0.2; ${when}. Stop one of them, or make the copy a node of its own, on its machine: muster agent reset-identity`,
  );
});

/** Returns a GPU of an approved node. */
const gpu = (index: number) => ({
  Index: index,
  Name: 'NVIDIA A100-SXM4-80GB',
  Vendor: 'NVIDIA',
  Memory: 81_920,
  PCIAddress: `0000:0${index + 1}:00.0`,
});
const withGpus = {
  ...record('gpu-1', 'APPROVED'),
  Connection: 'CONNECTED',
  ConnectionState: {
    Status: 'CONNECTED',
    LastHeartbeat: '2026-01-01T11:59:57Z',
    ConnectedSince: '2026-01-01T11:00:00.500Z',
    DisconnectedSince: zeroTime,
  },
  Info: {
    ...computeInfo('gpu-1', { zone: 'eu', env: 'prod' }),
    BacalhauVersion: build,
    Hostname: 'rack-7',
    Agent: { Version: '0.1.0' },
    Host: {
      OS: 'Debian GNU/Linux 12 (bookworm)',
      CPUModel: 'AMD EPYC 7742 64-Core Processor',
      CPUs: 256,
      Memory: 540e9,
      GPUDriver: '570.86.15',
    },
    Conditions: [
      {
        Type: 'GpuMissing',
        Reason: 'the GPU at 0000:03:00.0 was there at the last start of the agent, and is not there any more',
        Since: '2026-01-01T11:58:00Z',
      },
    ],
    ComputeNodeInfo: {
      ...emptyComputeNodeInfo,
      MaxCapacity: { CPU: 204.8, Memory: 432e9, Disk: 3.2e12, GPU: 2, GPUs: [gpu(0), gpu(1)] },
      MaxJobRequirements: { CPU: 204.8, Memory: 432e9, Disk: 3.2e12, GPU: 2 },
      AvailableCapacity: { CPU: 12.345, Memory: 7.5e9, Disk: 2e12, GPU: 1, GPUs: [gpu(1)] },
    },
  },
  Muster: {
    Health: 'HEALTHY',
    Silence: 3_100,
    RegisteredAt: '2025-12-01T12:00:00Z',
    Decision: { Action: 'approve', Actor: 'ada@head', At: '2025-12-02T12:00:00Z', Reason: '' },
    Usage: {
      CPU: 192.4,
      Memory: 500e9,
      Disk: 1.2e12,
      Load: 201.25,
      GPUs: [
        {
          Index: 0,
          PCIAddress: '0000:01:00.0',
          Memory: 40_960,
          Utilisation: 97,
          Temperature: 61,
          Power: 388.4,
        },
      ],
    },
    ResourcesAt: '2026-01-01T11:59:30Z',
  },
};

test('an approved node is described with its GPUs and its condition', () => {
  assert.equal(
    described(withGpus),
    `gpu-1
  type         Compute
  approval     APPROVED
  decision     approved by ada@head, 2025-12-02 12:00:00 UTC (30 days ago)
  status       HEALTHY, last heard 3 s ago
  fingerprint  unverified: the requester checks no key of this node
  connected    2026-01-01 11:00:00 UTC (59 min ago)
  registered   2025-12-01 12:00:00 UTC (31 days ago)
  version      muster 0.1.0

conditions
  GpuMissing   the GPU at 0000:03:00.0 was there at the last start of the agent,
               and is not there any more
               since 2026-01-01 11:58:00 UTC (2 min ago)

machine
  hostname     rack-7
  system       Debian GNU/Linux 12 (bookworm)
  platform     linux/amd64
  processor    AMD EPYC 7742 64-Core Processor, 256 logical CPUs
  memory       540 GB
  GPU driver   570.86.15

capacity
  CPU          12.35 of 204.8 available
  memory       7.5 GB of 432 GB available
  disk         2.0 TB of 3.2 TB available
  GPU          1 of 2 available

in use
  CPU          192.4 of 256
  memory       500 GB of 540 GB
  disk         1.2 TB
  load         201.25
  measured     2026-01-01 11:59:30 UTC (30 s ago)

GPUs
  GPU 0        NVIDIA A100-SXM4-80GB, 80.0 GiB, at 0000:01:00.0
               97 % busy, 40.0 GiB in use, 61 °C, 388 W
  GPU 1        NVIDIA A100-SXM4-80GB, 80.0 GiB, at 0000:02:00.0

labels
  env   prod
  zone  eu
`,
  );
});

test('what is wholly free or wholly taken is said in a word, and a wider terminal takes longer lines', () => {
  const { Info } = withGpus;
  const AvailableCapacity = { Memory: 432e9, Disk: 2e12, GPU: 2 };
  const full = {
    ...withGpus,
    Info: { ...Info, ComputeNodeInfo: { ...Info.ComputeNodeInfo, AvailableCapacity } },
  };
  const text = describeText(readNode(JSON.parse(JSON.stringify(full))), now, 160);
  assert.match(text, /^ {2}CPU +none of 204\.8 available$/m);
  assert.match(text, /^ {2}memory +all of 432 GB available$/m);
  assert.match(text, /^ {2}GPU +all of 2 available$/m);
  assert.match(text, /^ {2}GpuMissing +the GPU at .* not there any more$/m);
});

test('a long reason is broken into lines and cannot steer the terminal', () => {
  const Reason = `its disk is broken, and the whole machine goes back to the vendor next week\u001b[2J`;
  const Decision = { Action: 'reject', Actor: 'ada@head', At: '2026-01-01T11:00:00Z', Reason };
  const text = described({
    ...record('node-3', 'REJECTED'),
    Muster: { Health: 'UNHEALTHY', Silence: 7_300_000, Decision },
  });
  assert.ok(
    text.startsWith(`node-3
  type         Compute
  approval     REJECTED
  decision     rejected by ada@head, 2026-01-01 11:00:00 UTC (60 min ago)
  reason       its disk is broken, and the whole machine goes back to the vendor
               next week\\u001b[2J
  status       UNHEALTHY, last heard 2 h ago
`),
    text,
  );
});

test('a requester and a node of Bacalhau are described by what they have', () => {
  assert.equal(
    described({
      ...record('node-0', 'APPROVED', { Info: { ...requesterNode('node-0') } }),
      Muster: { Health: 'UNKNOWN' },
    }),
    `node-0
  type      Requester
  approval  APPROVED
  status    UNKNOWN, because a requester sends no heartbeats
  version   Bacalhau v1.0.0

machine
  platform  linux/amd64
`,
  );
  const state = {
    Status: 'DISCONNECTED',
    LastHeartbeat: '2026-01-01T11:50:00Z',
    LastError: 'heartbeat timeout',
  };
  const text = described({
    ...record('n-1', 'APPROVED'),
    ConnectionState: { ...state, ConnectedSince: zeroTime, DisconnectedSince: '2026-01-01T11:51:00Z' },
  });
  assert.match(text, /^ {2}status +DISCONNECTED, last heard 10 min ago$/m);
  assert.match(text, /^ {2}disconnected +2026-01-01 11:51:00 UTC \(9 min ago\)$/m);
  assert.match(text, /^ {2}last error +heartbeat timeout$/m);
  assert.match(text, /^ {2}engines +docker, wasm$/m);
  const Executions = { Running: 2, Waiting: 0, At: '2026-01-01T11:59:00Z' };
  const Muster = { Health: 'HEALTHY', Silence: 4_000, Protocol: 'ncl/v1', Executions };
  const heard = described({ ...record('n-1', 'APPROVED', { Connection: 'CONNECTED' }), Muster });
  assert.match(heard, /^ {2}status +HEALTHY, last heard 4 s ago$/m);
  assert.match(heard, /^ {2}protocol +ncl\/v1$/m);
  assert.match(heard, /^ {2}running +2, as it said 60 s ago$/m);
});

test('a node of which an orchestrator says little is described by what it says', () => {
  const GitVersion = '';
  const Info = { NodeID: 'n-1', NodeType: 'compute', Labels: null, BacalhauVersion: { GitVersion } };
  assert.equal(
    described({ Info, Membership: 'PENDING', Connection: 'CONNECTED' }),
    'n-1\n  type      Compute\n  approval  PENDING; to let it take part: muster node approve n-1\n  status    CONNECTED\n',
  );
  const state = { LastHeartbeat: zeroTime, ConnectedSince: zeroTime, DisconnectedSince: zeroTime };
  assert.equal(
    described({ Info, Membership: '', Connection: 'gone', ConnectionState: state }),
    'n-1\n  type    Compute\n  status  DISCONNECTED, never heard\n',
  );
  assert.equal(described({ Info: { NodeID: 'n-1' } }), 'n-1\n  status  DISCONNECTED\n');
});

test('what is free is left out until the node says it', () => {
  const Info = computeInfo('n-1');
  const ComputeNodeInfo = { ...Info.ComputeNodeInfo, AvailableCapacity: {} };
  const silent = record('n-1', 'APPROVED', { Connection: 'CONNECTED', Info: { ...Info, ComputeNodeInfo } });
  assert.match(described({ ...silent, Muster: { Health: 'HEALTHY' } }), /^ {2}CPU +4$/m);
});

test('text with words of ordinary length stays within 80 columns', () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(words, words, (reason, cpu) => {
      const Decision = {
        Action: 'reject',
        Actor: 'a@b',
        At: '2026-01-01T11:00:00Z',
        Reason: reason.join(' '),
      };
      const Host = { ...withGpus.Info.Host, CPUModel: cpu.join(' ').slice(0, 256) };
      const node = {
        ...withGpus,
        Info: { ...withGpus.Info, Host },
        Muster: { ...withGpus.Muster, Decision },
      };
      for (const line of described(node).split('\n')) assert.ok([...line].length <= 80, line);
    }),
  );
});
