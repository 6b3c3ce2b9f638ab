// A roll over a broker in memory, with what it tells its listener written down.
import assert from 'node:assert/strict';
import type { NodeState, RecordedChange } from '../../../agent/protocol/node-state.ts';
import type { Known } from '../../../agent/requester/roll/membership.ts';
import { Roll, type RollOptions } from '../../../agent/requester/roll/roll.ts';
import { nodeBucket } from '../../../agent/requester/roll/store.ts';
import { silentLog } from '../../../agent/system/log.ts';
import type { Bucket, BucketEntry } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { computeInfo, counting } from '../samples.ts';

export interface OpenRoll {
  roll: Roll;
  bucket: Bucket;
  /** Every change announced, in order. */
  told: { id: string; change: RecordedChange }[];
  /** The records that the listener believes to stand. */
  present: Map<string, NodeState>;
  /** What the first reading of the store brought. */
  loaded: { id: string; known: Known; changes: RecordedChange[] }[];
  /** The changes that count as not acknowledged, by node. */
  unannounced: Map<string, RecordedChange[]>;
  lost: number;
}

/** Opens a roll on a connection of its own. Operations need the clock to move only where the store is told to fail. */
export async function openRoll(
  broker: FakeBroker,
  clock: FakeClock,
  { wrap = bucket => bucket, ...options }: Partial<RollOptions> & { wrap?(bucket: Bucket): Bucket } = {},
): Promise<OpenRoll> {
  const bucket = wrap(await (await broker.connect().storage()).bucket(nodeBucket));
  const open: Omit<OpenRoll, 'roll'> = {
    bucket,
    told: [],
    present: new Map(),
    loaded: [],
    unannounced: new Map(),
    lost: 0,
  };
  const roll = new Roll(
    bucket,
    { clock, random: counting(), log: silentLog, manualApproval: true, maxPending: 1000, ...options },
    {
      present: (id, state) => void open.present.set(id, state),
      gone: id => void open.present.delete(id),
      changed: (id, change) => void open.told.push({ id, change }),
      lost: () => void open.lost++,
      unannounced: id => open.unannounced.get(id) ?? [],
    },
  );
  await roll.load((id, known, changes) => void open.loaded.push({ id, known, changes }));
  return Object.assign(open, { roll });
}

/** `<id> <kind>` of each change that was told. */
export const kindsTold = (open: OpenRoll): string[] =>
  open.told.map(({ id, change }) => `${id} ${change.Kind}`);

/** Writes as another program does that has the same bucket open: at once, whatever the revision. */
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

/** The JSON that stands under `key`. */
export const stored = (broker: FakeBroker, key: string): string =>
  Buffer.from(broker.openBucket(nodeBucket.name).entries.get(key)?.value ?? []).toString();

/** A roll over an empty store, and what nodes and operators do to it most. */
export async function begin(options: Parameters<typeof openRoll>[2] = {}) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const open = await openRoll(broker, clock, options);
  const register = (id: string, zone = 'a') =>
    open.roll.register({ info: computeInfo(id, { zone }), sender: { version: '0.1.0' } });
  const approve = (name: string) => open.roll.decide(name, { action: 'approve', reason: 'r', actor: 'ann' });
  const reject = (name: string) => open.roll.decide(name, { action: 'reject', reason: 'r', actor: 'ann' });
  return { clock, broker, ...open, open, register, approve, reject };
}

/** Lets time pass until `work` is done, one way or the other. */
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
