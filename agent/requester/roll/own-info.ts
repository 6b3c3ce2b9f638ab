// Builds the node information of the requester itself, which runs no jobs, like that of a Bacalhau orchestrator.
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
  /** Go's names of the operating system and of the architecture, such as `linux` and `amd64`. */
  os: string;
  architecture: string;
  labels: Record<string, string>;
}

/** Returns the node information for the requester's own record. */
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
