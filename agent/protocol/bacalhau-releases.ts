// The releases of Bacalhau that differ, and what each does. No other file compares versions of Bacalhau.
import type { NodeInfo } from './node-info.ts';
import { defaultHeartbeatTopic, heartbeatWildcard, plainHeartbeatTopic } from './subjects.ts';

export interface BacalhauRelease {
  /** The versions that do this, for people. */
  versions: string;
  /** The form of its configuration. The older one has no setting for a CA. */
  configuration: 'older' | 'newer';
  /** The topics on which a node sends each of its heartbeats. Its orchestrator hears them there. */
  heartbeatTopics: readonly string[];
  /** What its command line expects of `agent/node`: the information of the node, or the record with the information in it. */
  agentNode: 'info' | 'state';
  /** What its orchestrator says when it accepts a registration: of a new node, and of a known one. */
  acceptances: readonly [newNode: string, knownNode: string];
  /** Whether its orchestrator answers requests of the newer protocol, `ncl/v1`. */
  speaksNewerProtocol: boolean;
}

export type BacalhauReleaseName = '1.4' | '1.5' | '1.6';

export const bacalhauReleases: Readonly<Record<BacalhauReleaseName, BacalhauRelease>> = {
  '1.4': {
    versions: 'up to 1.4',
    configuration: 'older',
    heartbeatTopics: [plainHeartbeatTopic],
    agentNode: 'state',
    acceptances: ['', 'node already registered'],
    speaksNewerProtocol: false,
  },
  '1.5': {
    versions: '1.5',
    configuration: 'newer',
    heartbeatTopics: [defaultHeartbeatTopic, plainHeartbeatTopic],
    agentNode: 'info',
    acceptances: ['', 'node already registered'],
    speaksNewerProtocol: false,
  },
  '1.6': {
    versions: 'from 1.6 on',
    configuration: 'newer',
    heartbeatTopics: [defaultHeartbeatTopic],
    agentNode: 'info',
    acceptances: ['node registered', 'node reconnected'],
    speaksNewerProtocol: true,
  },
};

/** The topics of the heartbeats of all releases. */
export const bacalhauHeartbeatTopics: readonly string[] = [
  ...new Set(Object.values(bacalhauReleases).flatMap(({ heartbeatTopics }) => heartbeatTopics)),
];

/**
 * Returns the subjects of the heartbeats of nodes without a key, which send on the topics of their release and cannot know that of
 * the settings; `topic` is that.
 */
export const unverifiedHeartbeats = (topic: string): string[] => [
  ...new Set([...bacalhauHeartbeatTopics, topic].map(heartbeatWildcard)),
];

/** Returns the release of a version such as `v1.6.5`. A build without a version counts as the newest. */
export function releaseOf(gitVersion: string): BacalhauRelease {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(gitVersion)?.map(Number) ?? [];
  if (major !== 1 || minor === undefined) return bacalhauReleases['1.6'];
  if (minor <= 4) return bacalhauReleases['1.4'];
  return bacalhauReleases[minor === 5 ? '1.5' : '1.6'];
}

/** Returns the release of a node. Nodes up to 1.4 say neither their version nor their protocols. */
export function releaseOfNode(
  info: Pick<NodeInfo, 'BacalhauVersion' | 'SupportedProtocols'>,
): BacalhauRelease {
  const { GitVersion } = info.BacalhauVersion;
  return GitVersion === '' && !info.SupportedProtocols ? bacalhauReleases['1.4'] : releaseOf(GitVersion);
}

/** The oldest version of a client that Bacalhau's servers answer. */
export const oldestClient = '1.4.0';

/** Builds that say that they have no version. */
const unnumbered: readonly string[] = ['', 'v0.0.0', 'v0.0.0-xxxxxxx'];

/** Returns whether a client with this version is served, as Bacalhau's servers decide it. */
export function clientAge(gitVersion: string): 'served' | 'too_old' | 'unreadable' {
  if (unnumbered.includes(gitVersion)) return 'served';
  const numbers = /^v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(-[\w.-]+)?(?:\+[\w.-]+)?$/.exec(gitVersion);
  if (!numbers) return 'unreadable';
  const [, major = 0, minor = 0, patch = 0, preview] = numbers;
  const [version, oldest] = [[major, minor, patch].map(Number), oldestClient.split('.').map(Number)];
  const first = version.findIndex((number, index) => number !== oldest[index]);
  const isOlder = first < 0 ? preview !== undefined : (version[first] ?? 0) < (oldest[first] ?? 0);
  return isOlder ? 'too_old' : 'served';
}

/**
 * Returns the release of an orchestrator that accepted a registration with this reason; undefined when it has none of its reasons.
 * The releases up to 1.5 answer alike, and the later of them is returned.
 */
export const releaseOfOrchestrator = (reason: string): BacalhauRelease | undefined =>
  Object.values(bacalhauReleases).findLast(({ acceptances }) => acceptances.includes(reason));
