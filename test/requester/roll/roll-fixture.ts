// Makes a roll over a broker in memory, and records its announcements and the calls of observers.
import assert from 'node:assert/strict';
import type { NodeState, RecordedChange } from '../../../agent/protocol/node-state.ts';
import type { RollPolicy } from '../../../agent/requester/roll/admission.ts';
import { approveNode, rejectNode } from '../../../agent/requester/roll/decisions.ts';
import { unknownNode } from '../../../agent/requester/roll/membership.ts';
import { Roll, type RollOptions } from '../../../agent/requester/roll/roll.ts';
import type { RollObserver } from '../../../agent/requester/roll/roll-observer.ts';
import { nodeBucket } from '../../../agent/requester/roll/store.ts';
import type { AnnouncedMembership, StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { WaitingList } from '../../../agent/requester/roll/waiting-list.ts';
import { silentLog } from '../../../agent/system/log.ts';
import type { Bucket, BucketEntry } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { computeInfo, counting } from '../samples.ts';

export interface OpenRoll {
  roll: Roll;
  waiting: WaitingList;
  bucket: Bucket;
  /** Every change that was announced, in order. */
  announced: { id: string; change: RecordedChange }[];
  /** The records that an observer has seen and that were not removed since. */
  present: Map<string, NodeState>;
  /** The records that the first reading of the store found. */
  loaded: { id: string; stored: StoredRecord; changes: RecordedChange[] }[];
  /** The changes that count as not acknowledged, by node. */
  unacknowledged: Map<string, RecordedChange[]>;
  /** Number of times that the roll noticed the loss of the store. */
  storeLosses: number;
  /** The policy, which a reload of the settings changes. */
  policy: RollPolicy;
}

export interface OpenRollOptions
  extends Partial<RollPolicy & Pick<RollOptions, 'random' | 'log' | 'hasPeers'>> {
  /** Returns the key that is pinned to a node; by default no node has one. */
  publicKeyOf?(id: string): string | undefined;
  /** Replaces the bucket, or some of its methods. */
  wrap?(bucket: Bucket): Bucket;
  /** Further observers of the records. */
  observers?: readonly RollObserver[];
  /** Returns what was announced last of each node; the default is nothing. */
  readAnnounced?(): ReadonlyMap<string, AnnouncedMembership>;
}

/** Opens a roll on a connection of its own. The clock has to move only where the store is made to fail. */
export async function openRoll(
  broker: FakeBroker,
  clock: FakeClock,
  options: OpenRollOptions = {},
): Promise<OpenRoll> {
  const {
    wrap = each => each,
    readAnnounced = () => new Map(),
    random = counting(),
    log = silentLog,
    publicKeyOf = () => undefined,
    hasPeers = () => false,
    observers = [],
  } = options;
  const { manualApproval = true, maxPending = 1000 } = options;
  const bucket = wrap(await (await broker.connect().storage()).bucket(nodeBucket));
  const open: Omit<OpenRoll, 'roll' | 'waiting'> = {
    bucket,
    announced: [],
    present: new Map(),
    loaded: [],
    unacknowledged: new Map(),
    storeLosses: 0,
    policy: { manualApproval, maxPending },
  };
  const waiting = new WaitingList({
    listeningMs: () => clock.monotonic(),
    silentAfterMs: 45_000,
    hasKey: id => publicKeyOf(id) !== undefined,
  });
  const roll = new Roll({
    waiting,
    requesterId: 'node-0',
    publicKeyOf,
    watches: () => true,
    hasPeers,
    bucket,
    life: { find: async () => 's1', doubt: () => undefined, onRevision: () => undefined },
    clock,
    random,
    log,
    policy: open.policy,
    announcer: {
      announceChange: (id, change) => void open.announced.push({ id, change }),
      announceEarlierChange: (id, change) => void open.announced.push({ id, change }),
      unacknowledgedChanges: id => open.unacknowledged.get(id) ?? [],
    },
    observers: [
      waiting,
      {
        onRecord: (id, state) => void open.present.set(id, state),
        onRemoved: id => void open.present.delete(id),
      },
      ...observers,
    ],
    onStoreLost: () => void open.storeLosses++,
    readAnnounced: async () => readAnnounced(),
    persist: work => work(),
  });
  await roll.load((id, stored, changes) => {
    open.loaded.push({ id, stored, changes });
    if (stored.kind === 'record') open.present.set(id, stored.state);
    if (stored.kind === 'record' && stored.state.Membership === 'PENDING') waiting.add(id, true);
  });
  return Object.assign(open, { roll, waiting });
}

/** Returns the code of the refusal for a node that is not on the roll. */
export const unknownCode = (roll: Roll, id: string): string => unknownNode(roll.records.stored(id), id).code;

/** Returns `<id> <kind>` for each change that was announced. */
export const announcedKinds = (open: OpenRoll): string[] =>
  open.announced.map(({ id, change }) => `${id} ${change.Kind}`);

/** Writes like another program with the same bucket: at once, whatever the revision is. */
export function foreignWrite(broker: FakeBroker, key: string, value: string | undefined): void {
  const bucket = broker.openBucket(nodeBucket.name);
  const entry: BucketEntry = {
    key,
    value: Buffer.from(value ?? ''),
    revision: ++bucket.revision,
    marker: value === undefined,
    headers: {},
    created: broker.clock.now(),
  };
  bucket.entries.delete(key);
  bucket.entries.set(key, entry);
  broker.announce(nodeBucket.name, entry);
}

/** Returns the JSON that is stored under `key`. */
export const stored = (broker: FakeBroker, key: string): string =>
  Buffer.from(broker.openBucket(nodeBucket.name).entries.get(key)?.value ?? []).toString();

/** Opens a roll over an empty store. Returns the roll with functions for the usual requests and decisions. */
export async function begin(options: OpenRollOptions = {}) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const open = await openRoll(broker, clock, options);
  const register = (id: string, zone = 'a') =>
    open.roll.register({ Info: computeInfo(id, { zone }), Muster: { Version: '0.1.0' } });
  const approve = (name: string) => open.roll.decide(name, { reason: 'r', actor: 'ann' }, approveNode);
  const reject = (name: string) => open.roll.decide(name, { reason: 'r', actor: 'ann' }, rejectNode);
  return { clock, broker, ...open, open, register, approve, reject };
}

/** Lets time pass until `work` has settled. */
export async function finish<T>(clock: FakeClock, work: Promise<T>): Promise<PromiseSettledResult<T>> {
  let outcome: PromiseSettledResult<T> | undefined;
  void Promise.allSettled([work]).then(([first]) => {
    outcome = first;
  });
  await clock.settle();
  for (let i = 0; !outcome && i < 100; i++) await clock.advance(1_000);
  assert.ok(outcome, 'it never ended');
  return outcome;
}
