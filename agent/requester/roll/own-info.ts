// Makes the node information of the requester itself, which computes nothing, as a Bacalhau orchestrator does.
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
  /** Go's names for the operating system and the architecture, such as `linux` and `amd64`. */
  os: string;
  architecture: string;
  labels: Record<string, string>;
}

/** Returns what the requester's own record says of it. */
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
