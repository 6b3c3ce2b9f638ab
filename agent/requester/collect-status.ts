// Collects what the status of a requester says, from its parts and from what is known before they are there.
import { connectionText } from '../output/broker-trouble.ts';
import type { NodeInfo } from '../protocol/node-info.ts';
import type { Clock } from '../system/clock.ts';
import { version } from '../system/version.ts';
import type { Connection, StreamReplicas } from '../transport/port.ts';
import type { AuthorityRotation } from './authorities/authority-rotation.ts';
import type { FreezeFollower } from './freeze/freeze-follower.ts';
import { waitingText } from './health/doubt.ts';
import type { StoreMark } from './ledger/store-mark.ts';
import type { Parts } from './parts.ts';
import type { Counters } from './status/counters.ts';
import type { ReplicaWatch } from './status/replica-watch.ts';
import type { CertificateEnd, RequesterStatus } from './status/requester-status.ts';
import { requesterTroubles } from './status/requester-troubles.ts';
import type { RaisedStream } from './status/store-replicas.ts';
import type { StoreFailure } from './status/store-watch.ts';

/** What the requester's status says of its own broker. */
export interface OwnBroker {
  /** The address for clients on this machine. */
  readonly url: string;
  /** A sentence that says what is wrong with it; undefined when it is well. */
  readonly problem: string | undefined;
  readonly restarts: NonNullable<RequesterStatus['brokerRestarts']>;
}

export interface StatusSources {
  self: NodeInfo;
  connection: Connection;
  clock: Clock;
  pid: number;
  /** See RequesterOptions. */
  ownBroker?: OwnBroker | undefined;
  brokerFolder?: string | undefined;
  loginKey?: string | undefined;
  storeMark?: StoreMark | undefined;
  freeze?: Pick<FreezeFollower, 'silentMover'> | undefined;
  authorities?: AuthorityRotation | undefined;
  certificateEnds?: (() => readonly CertificateEnd[]) | undefined;
  /** The running parts; undefined until the roll was read. */
  parts: Parts | undefined;
  isStopping: boolean;
  /** What the start waits for, while there are no parts. */
  waitingFor: string;
  trust: RequesterStatus['trust'];
  /** Why the store could not be opened, or does not carry out what is written. */
  storeFailure: StoreFailure | undefined;
  replicas: ReplicaWatch;
  /** The streams that somebody else has put on more servers in place. */
  raised: readonly RaisedStream[];
  /** Names what should run and does not. */
  stalled: string | undefined;
  counters: Counters;
}

/** Returns what the status says now. It changes nothing, and is asked for at any time. */
export function collectStatus(sources: StatusSources): RequesterStatus {
  const { self, connection, clock, pid, ownBroker, brokerFolder, loginKey, storeMark, parts, replicas } =
    sources;
  const certificates = sources.certificateEnds?.() ?? [];
  const lost = parts?.roll.lost.size ?? 0;
  const waiting = parts?.health.waitingVerdicts;
  const older = parts && storeMark?.older;
  // What is wrong with the broker explains the rest, so it comes first.
  const degradedReason =
    ownBroker?.problem ??
    parts?.health.degradedReason ??
    (lost > 0 ? lossText(lost) : undefined) ??
    (older ? olderText : undefined) ??
    replicas.quorumFault;
  const troubles = requesterTroubles({
    connection: connection.state,
    now: clock.monotonic(),
    brokerFolder,
    loginKey,
    brokerProblem: ownBroker?.problem,
    storeFailure: sources.storeFailure,
    silentMover: sources.freeze?.silentMover,
    replicas,
    raised: sources.raised,
    lostRecords: lost,
    olderStore: older,
    degradedReason: parts?.health.hearingFault,
    verdictsWait: waiting && waitingText(waiting),
    stalled: sources.stalled,
  });
  return {
    role: 'requester',
    node: self.NodeID,
    version,
    pid,
    state: sources.isStopping ? 'stopping' : !parts ? 'starting' : degradedReason ? 'degraded' : 'ready',
    reason: parts ? degradedReason : (ownBroker?.problem ?? `waiting for ${sources.waitingFor}`),
    troubles: troubles.length > 0 ? troubles : undefined,
    broker: connectionText(connection.state),
    brokerUrl: ownBroker?.url,
    brokerRestarts: ownBroker?.restarts,
    nextAuthority: sources.authorities?.status,
    trust: sources.trust,
    clusterId: parts?.clusterId,
    nodes: parts && {
      total: parts.roll.records.size,
      pending: parts.roll.records.pending,
      unreadable: parts.roll.records.unreadable,
      lost,
    },
    watcher: parts?.lease.holder?.requester,
    peers: parts?.peers.list().map(({ requester, host, version, watches, differs, clockAheadMs }) => ({
      requester,
      host,
      version,
      watches,
      ...(differs.length > 0 ? { differs } : {}),
      ...(clockAheadMs === undefined ? {} : { clockAheadMs: Math.round(clockAheadMs) }),
    })),
    store: storeOf(replicas.replicas),
    verdictsWait: waiting && { ...waiting, until: waiting.until.toISOString() },
    eventsWaiting: parts?.duty.watches ? parts.events.waiting : undefined,
    certificates: certificates.length > 0 ? certificates : undefined,
    counters: { ...sources.counters },
  };
}

const olderText =
  'the store is older than it was, so decisions and join codes of the time between are lost; see: muster store confirm';

const lossText = (lost: number): string =>
  `the store lost the records of ${lost} ${lost === 1 ? 'node' : 'nodes'}; see: muster store rebuild --dry-run`;

const storeOf = (replicas: readonly StreamReplicas[]): RequesterStatus['store'] =>
  replicas.length === 0
    ? undefined
    : replicas.map(({ others, ...each }) => ({
        ...each,
        others: others.map(({ name, isCurrent, lag }) => ({ server: name, current: isCurrent, lag })),
      }));
