// The releases of Bacalhau that differ, and what each does. No other file compares versions of Bacalhau.
import type { NodeInfo } from './node-info.ts';

export interface BacalhauRelease {
  /** The versions that do this, for people. */
  versions: string;
  /** The form of its configuration. The older one has no setting for a CA. */
  configuration: 'older' | 'newer';
  /**
   * Whether a node registers once in its life: a file in its data folder keeps it from doing so again, also when the requester
   * does not know it any more.
   */
  registersOnce: boolean;
}

export type BacalhauReleaseName = '1.4' | '1.5' | '1.6';

export const bacalhauReleases: Readonly<Record<BacalhauReleaseName, BacalhauRelease>> = {
  '1.4': { versions: 'up to 1.4', configuration: 'older', registersOnce: true },
  '1.5': { versions: '1.5', configuration: 'newer', registersOnce: true },
  '1.6': { versions: 'from 1.6 on', configuration: 'newer', registersOnce: false },
};

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
