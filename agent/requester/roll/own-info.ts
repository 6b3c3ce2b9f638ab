// What the requester says of itself on the roll: it computes nothing, as a Bacalhau orchestrator does (wire protocol 6.8).
import {
  type BuildVersion,
  emptyComputeNodeInfo,
  type NodeInfo,
  zeroTime,
} from '../../protocol/node-info.ts';
import { version } from '../../system/version.ts';

export interface RequesterFacts {
  nodeId: string;
  hostname: string;
  /** Go's names: `linux`, `amd64`. */
  os: string;
  architecture: string;
  labels: Record<string, string>;
}

export function requesterInfo(facts: RequesterFacts): NodeInfo {
  const build: BuildVersion = {
    GitVersion: '',
    GitCommit: '',
    BuildDate: zeroTime,
    GOOS: facts.os,
    GOARCH: facts.architecture,
  };
  return {
    NodeID: facts.nodeId,
    NodeType: 'Requester',
    Labels: facts.labels,
    SupportedProtocols: ['bprotocol/v2'],
    ComputeNodeInfo: emptyComputeNodeInfo,
    BacalhauVersion: build,
    Hostname: facts.hostname,
    Agent: { Version: version },
  };
}
