// Finds the other requesters of the roll, opens the buckets and the event stream, and reads what was known before this start.
// It also sets the store up again when it was lost.

import type { NodeInfo } from '../protocol/node-info.ts';
import type { Random } from '../system/random.ts';
import { version } from '../system/version.ts';
import {
  BrokerError,
  type Bucket,
  type BucketConfig,
  type EventStream,
  type Storage,
} from '../transport/port.ts';
import type { AuthorityRotation } from './authorities/authority-rotation.ts';
import { clusterBucket, ensureClusterId } from './cluster/cluster-bucket.ts';
import { Recovery } from './cluster/recovery.ts';
import { type RetryOptions, retryOnBrokerError } from './cluster/retry.ts';
import { readEventHistory } from './events/event-history.ts';
import { eventStreamConfig } from './events/stream-config.ts';
import type { FreezeFollower } from './freeze/freeze-follower.ts';
import type { FreezeMember } from './freeze/freeze-record.ts';
import { readLastSeen } from './health/last-seen-store.ts';
import { Incarnation } from './incarnation.ts';
import { restoreKey } from './ledger/restore-record.ts';
import type { StoreMark } from './ledger/store-mark.ts';
import type { MadeStreams } from './made-streams.ts';
import { noteChange } from './operations/note-change.ts';
import type { Operators } from './operators/operators.ts';
import type { Past } from './past.ts';
import type { Roll } from './roll/roll.ts';
import { nodeBucket } from './roll/store.ts';
import { guardByQuorum } from './status/quorum-guard.ts';
import type { ReplicaWatch } from './status/replica-watch.ts';
import type { StoreWatch } from './status/store-watch.ts';
import { refuseBesideEarlierVersion } from './watcher/earlier-version.ts';
import type { Holder } from './watcher/holder.ts';
import { Lease, type LeaseOptions } from './watcher/lease.ts';
import { Peers } from './watcher/peers.ts';
import type { Peer } from './watcher/presence.ts';
import { refuseBesideOldServer } from './watcher/server-version.ts';
import type { SharedSettings } from './watcher/shared-settings.ts';
import { WatchFence } from './watcher/watch-fence.ts';

export interface OpenStoreOptions extends Pick<LeaseOptions, 'connection' | 'me' | 'clock' | 'log'> {
  random: Random;
  /** The settings that all requesters of the roll should have alike. */
  settings: Omit<SharedSettings, 'manualApproval'>;
  policy: Pick<SharedSettings, 'manualApproval'>;
  /** Watches whether the store carries out each write. */
  storeWatch: StoreWatch;
  /** Refuses writes while a cluster says that its store has no leader; undefined in tests. */
  replicaWatch?: ReplicaWatch | undefined;
  /** Remembers outside of the store how far it was; undefined when nothing does. */
  storeMark?: StoreMark | undefined;
  /** Knows the streams that the roll has made; undefined in tests. */
  madeStreams?: MadeStreams | undefined;
  /** Holds writes while the store is copied or moved; undefined in tests. */
  freeze?: FreezeFollower | undefined;
  /** The CAs that nodes should trust; undefined when the requester has none of its own. */
  authorities?: AuthorityRotation | undefined;
  /** Called with a text that says what the start waits for. */
  onWait(what: string): void;
  /** Called when the other requesters of the roll are known, before the roll is read. */
  onPeers?: ((peers: Peers) => void) | undefined;
}

export interface OpenStore {
  storage: Storage;
  clusterId: string;
  lease: Lease;
  peers: Peers;
  /** The bucket that holds what is not about one node. */
  cluster: Bucket;
  stream: EventStream;
  fence: WatchFence;
  nodes: Bucket;
  life: Incarnation;
  recovery: Recovery;
}

/**
 * Finds the other requesters of the roll and who of all watches, and reads the store, except for its nodes. @throws
 * BrokerError when the store does not answer; then the lease is given back. MusterError `in_use` when another requester has
 * the id of this one, or when the broker or the requester that watches is too old for several.
 */
export async function openStore(options: OpenStoreOptions): Promise<{ store: OpenStore; past: Past }> {
  const { connection, random, storeWatch, replicaWatch, onWait, log, storeMark, madeStreams } = options;
  const bare = await connection.storage();
  const unheld = storeWatch.watch(replicaWatch ? guardByQuorum(bare, replicaWatch) : bare);
  const storage = options.freeze?.guard(unheld) ?? unheld;
  // Nothing is held before the freezes of the roll are followed, and of which roll it is says this bucket.
  const first = await openKnown(unheld, clusterBucket, options);
  const stateBefore = await first.state();
  const clusterId = await ensureClusterId(followLease(first, options), random);
  let peers: Peers | undefined;
  await followFreezes(options, unheld, first, clusterId, () => peers?.list() ?? []);
  const opened = await openKnown(storage, clusterBucket, options);
  const leaseBucket = followLease(opened, options);
  await madeStreams?.read(opened);
  onWait('the other requesters of this roll');
  peers = await Peers.open({
    ...options,
    clusterId,
    version,
    settings: () => sharedSettings(options),
    authorities: () => options.authorities?.valid ?? [],
  });
  options.onPeers?.(peers);
  const onOthersWrite = () => storeWatch.onOthersWrite();
  const isFrozen = () => options.freeze?.isFrozen === true;
  let lease: Lease | undefined;
  try {
    lease = await Lease.open({ ...options, bucket: leaseBucket, clusterId, onOthersWrite, isFrozen });
    if (!lease.isHeld) {
      refuseBesideOldServer(connection.state, lease.holder);
      refuseBesideEarlierVersion(lease.holder, peers.list());
    }
    await storeMark?.compare(clusterId, stateBefore, await opened.get(restoreKey));
    const cluster = storeMark?.follow(opened) ?? opened;
    onWait('the event stream to be read');
    const isKnown = storeMark?.knows(eventStreamConfig.name) || madeStreams?.has(eventStreamConfig.name);
    const stream = await storage.stream({ ...eventStreamConfig, isKnown });
    storeMark?.note(eventStreamConfig.name);
    const fence = new WatchFence({ ...options, stream, right: lease });
    if (lease.isHeld) await raiseUnlessLost(fence, lease);
    const history = await readEventHistory(stream, fence.mark);
    onWait('the node info store to be read');
    const nodeStore = await openKnown(storage, nodeBucket, options);
    const nodes = storeMark?.touchedBy(nodeStore) ?? nodeStore;
    const lastSeen = await readLastSeen(cluster, log);
    const life = await Incarnation.open({ ...options, cluster, nodes }, history.newestRevision);
    const recovery = new Recovery({
      bucket: cluster,
      noteConfirmed: (key, act) => noteChange(cluster, key, 'store_confirmed', act),
      lease,
      requesterId: options.me.requester,
      log,
      onConfirmed: revision => void storeMark?.onConfirmed(revision),
    });
    return {
      store: { storage, clusterId, lease, peers, cluster, stream, fence, nodes, life, recovery },
      past: { history, lastSeen, incarnation: await life.find() },
    };
  } catch (error) {
    peers.stop();
    await lease?.release();
    throw error;
  }
}

/** Follows the freezes of the roll, and waits for the end of one that is there. @throws BrokerError */
async function followFreezes(
  options: OpenStoreOptions,
  unheld: Storage,
  opened: Bucket,
  clusterId: string,
  peers: () => Peer[],
): Promise<void> {
  const { freeze, connection, me, onWait } = options;
  if (!freeze) return;
  await freeze.follow({
    connection,
    storage: unheld,
    bucket: followLease(opened, options),
    clusterId,
    me: memberOf(me),
    peers: () => peers().map(memberOf),
  });
  if (freeze.holder) onWait(`the store, whose writes are held by ${freeze.holder}`);
  await freeze.released();
}

const memberOf = ({ requester, instance, host }: Holder): FreezeMember => ({ requester, instance, host });

// Another requester may have taken the lease since it was opened. Then this one stands by.
async function raiseUnlessLost(fence: WatchFence, lease: Lease): Promise<void> {
  await fence.raise().catch(error => {
    if (lease.isHeld || error instanceof BrokerError) throw error;
  });
}

const followLease = (bucket: Bucket, { storeMark }: OpenStoreOptions): Bucket =>
  storeMark?.follow(bucket, { isLease: true }) ?? bucket;

/** Opens a bucket. In a cluster, one that was there before is not made again. */
async function openKnown(
  storage: Storage,
  config: BucketConfig,
  { storeMark, madeStreams }: OpenStoreOptions,
): Promise<Bucket> {
  const isKnown = storeMark?.knows(config.name) || madeStreams?.has(`KV_${config.name}`);
  const bucket = await storage.bucket({ ...config, isKnown });
  storeMark?.note(config.name);
  return bucket;
}

// The policy may change while the requester runs.
function sharedSettings({ settings, policy }: OpenStoreOptions): SharedSettings {
  const { nodeDisconnectedAfter, nodeUnknownAfter, heartbeatTopic } = settings;
  return { manualApproval: policy.manualApproval, nodeDisconnectedAfter, nodeUnknownAfter, heartbeatTopic };
}

export interface RestoreOptions extends Omit<RetryOptions, 'failureText'> {
  /** See OpenStoreOptions. */
  storeMark?: StoreMark | undefined;
  /** The information of the requester itself, which is on the roll. */
  self: NodeInfo;
  roll: Pick<Roll, 'registerSelf'>;
  operators: Pick<Operators, 'restore'>;
  /** The keys of the nodes and the join codes; undefined when the requester lets nobody in to its broker. */
  enrolment: { restore(): Promise<void> } | undefined;
  /** The listeners; undefined as `enrolment`. */
  listeners: { restore(): Promise<void>; restoreDurables(): Promise<void> } | undefined;
}

/** Writes again the record of a requester that stands by, which it lost with the store. Never rejects. */
export async function restoreOwnRecord(
  { storage }: OpenStore,
  { storeMark, ...options }: RestoreOptions,
): Promise<void> {
  await enterAgain(options, async () =>
    storeMark?.restart(await (await storage.bucket(clusterBucket)).state()),
  );
}

/**
 * Writes again the record of a requester that runs, because an operator deleted it while nobody heard it. `prepare` runs
 * before. Never rejects.
 */
export async function enterAgain(
  { self, roll, log, ...retry }: Omit<RestoreOptions, 'storeMark' | 'operators' | 'enrolment' | 'listeners'>,
  prepare: () => Promise<void> = async () => undefined,
): Promise<void> {
  const work = async () => {
    await prepare();
    await roll.registerSelf(self);
  };
  const failureText = 'this requester cannot enter itself on the roll yet; trying again';
  await retryOnBrokerError(work, { ...retry, log, failureText }).catch(err =>
    log.error({ err }, failureText),
  );
}

/**
 * Writes again what a lost store contained besides the nodes, as soon as the broker carries it out. It never rejects; a
 * store that is no longer ours is logged.
 */
export async function restoreStore(
  { storage, clusterId }: OpenStore,
  options: RestoreOptions,
): Promise<void> {
  const { random, self, roll, operators, enrolment, listeners, log, storeMark } = options;
  const work = async () => {
    const cluster = await storage.bucket(clusterBucket);
    await ensureClusterId(cluster, random, clusterId);
    await storeMark?.restart(await cluster.state());
    await operators.restore();
    await enrolment?.restore();
    await listeners?.restore();
    await storage.stream(eventStreamConfig);
    await listeners?.restoreDurables();
    await roll.registerSelf(self);
  };
  const failureText = 'the lost store cannot be set up again yet; trying again';
  const text =
    'the lost store now contains data of another program; a restart of the requester shows the reason';
  await retryOnBrokerError(work, { ...options, failureText }).catch(err => log.error({ err }, text));
}
