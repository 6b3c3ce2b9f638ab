// Makes nodes, records and randomness for the requester's tests.
import type { Sender } from '../../agent/protocol/messages.ts';
import { emptyComputeNodeInfo, type NodeInfo, zeroTime } from '../../agent/protocol/node-info.ts';
import { type Membership, type NodeState, neverConnected } from '../../agent/protocol/node-state.ts';
import type { Random } from '../../agent/system/random.ts';

export const at = '2026-01-01T00:00:00.000Z';

const build = { GitVersion: 'v1.0.0', GitCommit: '', BuildDate: zeroTime, GOOS: 'linux', GOARCH: 'amd64' };

/** Returns the information of a compute node, with what it has free now. */
export const computeInfo = (id: string, labels: Record<string, string> = { zone: 'a' }): NodeInfo => ({
  NodeID: id,
  NodeType: 'Compute',
  Labels: labels,
  SupportedProtocols: ['bprotocol/v2'],
  ComputeNodeInfo: {
    ...emptyComputeNodeInfo,
    ExecutionEngines: ['docker', 'wasm'],
    MaxCapacity: { CPU: 4, Memory: 8e9 },
    AvailableCapacity: { CPU: 3, Memory: 7e9 },
    QueueCapacity: { CPU: 1 },
    RunningExecutions: 2,
  },
  BacalhauVersion: build,
});

export const requesterNode = (id = 'node-0'): NodeInfo => ({
  NodeID: id,
  NodeType: 'Requester',
  Labels: {},
  SupportedProtocols: ['bprotocol/v2'],
  ComputeNodeInfo: emptyComputeNodeInfo,
  BacalhauVersion: build,
});

/** Returns a record as the store holds it. */
export const record = (
  id: string,
  membership: Membership | '',
  more: Partial<NodeState> = {},
): NodeState => ({
  Info: computeInfo(id),
  Membership: membership,
  Connection: 'DISCONNECTED',
  ConnectionState: neverConnected,
  ...more,
});

/** Returns the member of a request that names a muster agent and its session. */
export const sender = (session?: string): Sender => ({
  Version: '0.1.0',
  Instance: 'i-1',
  BootID: 'b-1',
  ...(session === undefined ? {} : { Session: session }),
});

/** Returns randomness that counts: `<prefix>1`, `<prefix>2`, … */
export function counting(prefix = 'u'): Random {
  let number = 0;
  return { fraction: () => 0.5, uuid: () => `${prefix}${++number}` };
}

/** Returns the record that Bacalhau 1.6.5 writes for a node, byte for byte. */
export const bacalhauRecord = (id: string): string =>
  `{"Info":{"NodeID":"${id}","NodeType":"Compute","Labels":{"Architecture":"amd64","Operating-System":"linux","env":"prod"},"SupportedProtocols":["bprotocol/v2","ncl/v1"],"ComputeNodeInfo":{"ExecutionEngines":["docker","wasm"],"Publishers":["local","noop","s3"],"StorageSources":["inline","localDirectory","s3","urlDownload"],"MaxCapacity":{"CPU":3.2,"Memory":12500000000,"Disk":77300000000},"QueueCapacity":{},"AvailableCapacity":{"CPU":3.2,"Memory":12500000000,"Disk":77300000000},"MaxJobRequirements":{"CPU":3.2,"Memory":12500000000,"Disk":77300000000},"RunningExecutions":0,"EnqueuedExecutions":0,"address":""},"BacalhauVersion":{"Major":"1","Minor":"6","GitVersion":"v1.6.5","GitCommit":"0123456789abcdef0123456789abcdef01234567","BuildDate":"2025-03-06T17:02:03Z","GOOS":"linux","GOARCH":"amd64"}},"Membership":"APPROVED","Connection":"CONNECTED","ConnectionState":{"Status":"CONNECTED","LastHeartbeat":"2025-03-10T09:15:00.123456789Z","LastComputeSeqNum":12,"LastOrchestratorSeqNum":40,"ConnectedSince":"2025-03-10T08:00:00.5Z","DisconnectedSince":"0001-01-01T00:00:00Z"}}`;
