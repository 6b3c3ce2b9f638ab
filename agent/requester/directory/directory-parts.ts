// What the node directory needs: the parts of a running requester, and what is settled at its start.
import type { Metric } from '../../output/metrics.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Bucket, EventStream } from '../../transport/port.ts';
import type { AuthorityRotation } from '../authorities/authority-rotation.ts';
import type { Recovery } from '../cluster/recovery.ts';
import type { BrokerAddresses } from '../enrolment/join-code-desk.ts';
import type { JoinCodes } from '../enrolment/join-codes.ts';
import type { KeyDecisions } from '../enrolment/key-decisions.ts';
import type { ConflictDetector } from '../events/conflict-detector.ts';
import type { HealthWatch } from '../health/health-watch.ts';
import type { ResourceHistory } from '../history/resource-history.ts';
import type { StoreMark } from '../ledger/store-mark.ts';
import type { Listeners } from '../listeners/listeners.ts';
import type { Operators } from '../operators/operators.ts';
import type { Renames } from '../renames/renames.ts';
import type { Executions } from '../roll/executions.ts';
import type { ResourceStore } from '../roll/resource-store.ts';
import type { Roll } from '../roll/roll.ts';
import type { Counters } from '../status/counters.ts';
import type { RequesterStatus } from '../status/requester-status.ts';
import type { Lease } from '../watcher/lease.ts';
import type { Peers } from '../watcher/peers.ts';

/** The parts of a running requester that the directory reads and changes. */
export interface DirectoryParts {
  clusterId: string;
  /** Undefined when the cluster uses a NATS that does not ask this requester whom to let in. */
  joinCodes: JoinCodes | undefined;
  /** Undefined as `joinCodes`. */
  listeners: Listeners | undefined;
  roll: Roll;
  health: HealthWatch;
  resources: ResourceStore;
  executions: Pick<Executions, 'get'>;
  history: Pick<ResourceHistory, 'look'>;
  conflicts: Pick<ConflictDetector, 'latest'>;
  renames: Pick<Renames, 'rename'>;
  /** What operators decide about keys; undefined when the broker does not ask who may connect. */
  keys: KeyDecisions | undefined;
  stream: EventStream;
  /** The bucket with what is not about one node. */
  cluster: Pick<Bucket, 'watch'>;
  operators: Operators;
  /** The other requesters of the roll. */
  peers: Pick<Peers, 'list' | 'isThere' | 'areThere' | 'askSilent'>;
  /** Who watches over the roll. */
  lease: Pick<Lease, 'holder'>;
  /** Tells the other requesters what an operator confirmed. */
  recovery: Pick<Recovery, 'confirm'>;
}

export interface NodeDirectoryOptions {
  self: NodeInfo;
  clock: Clock;
  log: Log;
  counters: Counters;
  /** The folder of the requester's own broker; undefined when the broker is another one. */
  brokerFolder?: string | undefined;
  /** See JoinCodeDeskOptions. */
  brokerAddresses(): BrokerAddresses | undefined | Promise<BrokerAddresses | undefined>;
  /** The token of nodes without a key; undefined when none are let in. */
  unverifiedToken: string | undefined;
  /** Path of the file with the operator's token of this machine; undefined when there is none. */
  tokenFile: string | undefined;
  /** The CAs that nodes should trust; undefined when the requester has none of its own. */
  authorities?: AuthorityRotation | undefined;
  /** Remembers how far the store was; undefined when nothing does. */
  storeMark?: StoreMark | undefined;
  /** See Directory. */
  hearsEvents(): boolean;
  /** Returns the parts; throws MusterError `unreachable` while the requester is not ready. */
  parts(): DirectoryParts;
  status(): RequesterStatus;
  metrics(): Metric[];
}
