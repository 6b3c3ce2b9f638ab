// What a compute node of Bacalhau says of itself.
import { facts, type Release } from './releases.ts';

const capacity = { CPU: 6.4, Memory: 13_421_772_800, Disk: 80_000_000_000 };

export interface DescribedNode {
  id: string;
  release: Release;
  /** Labels besides those that the release gives. */
  labels: Record<string, string>;
}

/** Returns the node information. A list without items is null, and resources without an amount are empty, as Go writes them. */
export function nodeInfoOf({ id, release, labels }: DescribedNode): Record<string, unknown> {
  const { gitVersion, protocols, hasAddress, labels: ownLabels } = facts[release].node;
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  return {
    NodeID: id,
    NodeType: 'Compute',
    Labels: { ...labels, ...ownLabels(id) },
    ...(protocols ? { SupportedProtocols: protocols } : {}),
    ComputeNodeInfo: {
      ExecutionEngines: ['wasm', 'docker'],
      Publishers: ['noop'],
      StorageSources: null,
      MaxCapacity: capacity,
      QueueCapacity: {},
      AvailableCapacity: capacity,
      MaxJobRequirements: capacity,
      RunningExecutions: 0,
      EnqueuedExecutions: 0,
      ...(hasAddress ? { address: '' } : {}),
    },
    BacalhauVersion: {
      ...(major ? { Major: major, Minor: minor } : {}),
      GitVersion: gitVersion,
      GitCommit: '',
      BuildDate: '0001-01-01T00:00:00Z',
      GOOS: gitVersion && 'linux',
      GOARCH: gitVersion && 'amd64',
    },
  };
}

/** Returns what a node has free and what waits there, which it reports often. */
export const resourcesOf = (id: string): Record<string, unknown> => ({
  NodeID: id,
  AvailableCapacity: capacity,
  QueueUsedCapacity: {},
});
