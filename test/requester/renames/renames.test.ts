// Whatever is killed during a rename, and whatever is decided meanwhile, each reader finds the node under exactly one id.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodePublicKey } from '../../../agent/protocol/nkey.ts';
import { Renames } from '../../../agent/requester/renames/renames.ts';
import {
  approveNode,
  type DecisionRule,
  deleteNode,
  rejectNode,
} from '../../../agent/requester/roll/decisions.ts';
import { labelNode } from '../../../agent/requester/roll/label-rules.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { BrokerError, type Bucket } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { type OpenRoll, openRoll } from '../roll/roll-fixture.ts';
import { computeInfo, counting } from '../samples.ts';

const key = encodePublicKey(Buffer.alloc(32, 1));
const operation = '019ac9d2-7c1e-7b3a-9f0e-5d2c8a41b6f7';
const ids = ['old', 'new'];
const by = { reason: 'r', actor: 'ann', isExact: true };

/** A requester: its roll, and its part that renames. */
interface Requester extends OpenRoll {
  renames: Renames;
}

/** Opens a requester that calls `onChange` at each change of what its roll shows. */
async function openRequester(
  broker: FakeBroker,
  clock: FakeClock,
  name: string,
  {
    wrap,
    onChange = () => undefined,
  }: { wrap?: (bucket: Bucket) => Bucket; onChange?(open: OpenRoll): void } = {},
): Promise<Requester> {
  let renames: Renames | undefined;
  const changed = () => open && onChange(open);
  let open: OpenRoll | undefined;
  open = await openRoll(broker, clock, {
    random: counting(name),
    hasPeers: () => true,
    publicKeyOf: id => (id === 'old' ? key : undefined),
    ...(wrap ? { wrap } : {}),
    observers: [
      { onRecord: changed, onRemoved: changed, onArriving: changed, onDeleted: changed },
      {
        onRecord: (id, state) => renames?.onRecord(id, state),
        onArriving: id => renames?.onArriving(id),
        onRemoved: () => undefined,
      },
    ],
  });
  const { roll } = open;
  renames = new Renames({
    clock,
    log: silentLog,
    roll,
    lastSeenAt: () => undefined,
    publicKeyOf: id => (id === 'old' ? key : undefined),
    refusePinned: () => undefined,
  });
  return Object.assign(open, { renames });
}

const shownBy = ({ roll }: OpenRoll) => ids.filter(id => roll.records.get(id));

async function register({ roll }: OpenRoll, id: string): Promise<void> {
  const Info = { ...computeInfo(id), Agent: { Version: '1.0.0', TakesID: true } };
  const { accepted } = await roll.register({ Info, Muster: { Version: '1.0.0' } });
  assert.ok(accepted);
}

/** What another requester does before a write of the one that renames. */
const deeds = {
  approve: approveNode,
  reject: rejectNode,
  label: labelNode({ rack: 'b7' }),
  delete: deleteNode,
} satisfies Record<string, DecisionRule>;
type Deed = keyof typeof deeds | 'read old' | 'read new' | 'pass';

const scenario = fc.record({
  /** Number of writes after which the first requester is killed, and whether it hears that the last one was carried out. */
  writes: fc.integer({ min: 0, max: 4 }),
  isHeard: fc.boolean(),
  meanwhile: fc.array(
    fc.record({
      before: fc.integer({ min: 0, max: 4 }),
      deed: fc.constantFrom<Deed>('approve', 'reject', 'label', 'delete', 'read old', 'read new', 'pass'),
    }),
    { maxLength: 4 },
  ),
  /** Whether the new id was that of a node that was deleted. */
  wasUsed: fc.boolean(),
});

test('exactly one of both ids is on the roll for each reader, whatever is killed and decided meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ writes, isHeard, meanwhile, wasUsed }) => {
      const clock = new FakeClock();
      const broker = new FakeBroker(clock);
      let isDeleted = false;
      const faults: string[] = [];
      const check = (open: OpenRoll) => {
        const shown = shownBy(open);
        const isRight = shown.length === 1 || (isDeleted && shown.length === 0);
        if (!isRight) faults.push(`shown: ${shown.join(' and ') || 'none'}`);
      };
      const done = new Map<string, string>();
      let made = 0;
      let isDead = false;
      const dead = () => new BrokerError('timeout', 'it was killed');
      const onWrite = async <T>(write: () => Promise<T>): Promise<T> => {
        if (isDead) throw dead();
        for (const { before, deed } of meanwhile) if (before === made) await act(deed);
        if (made === writes && !isHeard) {
          isDead = true;
          throw dead();
        }
        made++;
        const result = await write();
        if (made > writes) {
          isDead = true;
          throw dead();
        }
        return result;
      };
      let isWrapped = false;
      const one = await openRequester(broker, clock, 'a', {
        wrap: bucket => ({
          ...bucket,
          get: async id => (isDead ? Promise.reject(dead()) : bucket.get(id)),
          put: (...args) => (isWrapped ? onWrite(() => bucket.put(...args)) : bucket.put(...args)),
          purge: (...args) => (isWrapped ? onWrite(() => bucket.purge(...args)) : bucket.purge(...args)),
        }),
      });
      await register(one, 'old');
      if (wasUsed) {
        await register(one, 'new');
        await one.roll.decide('new', by, deleteNode);
      }
      await clock.settle();
      const other = await openRequester(broker, clock, 'b', { onChange: check });
      let isPassing = false;
      // It hears nothing from the watch but when it begins anew.
      const deaf = await openRequester(broker, clock, 'c', {
        onChange: check,
        wrap: bucket => ({
          ...bucket,
          watch: (onEntry, passes) =>
            bucket.watch(entry => (isPassing ? onEntry(entry) : undefined), {
              ...passes,
              begin: lost => {
                isPassing = true;
                passes?.begin?.(lost);
              },
              complete: () => {
                passes?.complete?.();
                isPassing = false;
              },
            }),
        }),
      });
      async function act(deed: Deed): Promise<void> {
        if (deed === 'read old' || deed === 'read new') return deaf.roll.refresh(deed.slice(5));
        if (deed === 'pass') {
          deaf.roll.readAgain();
          return clock.settle();
        }
        isDeleted ||= deed === 'delete';
        const [id] = shownBy(other);
        if (id === undefined) return;
        try {
          await other.roll.decide(id, by, deeds[deed]);
          done.set(deed === 'label' ? 'label' : 'membership', deed);
        } catch (error) {
          assert.ok(error instanceof MusterError && error.code === 'conflict', String(error));
        }
      }
      isWrapped = true;
      const renamed = one.renames.rename('old', 'new', { ...by, operation }).then(
        () => 'Ok',
        (error: Error) => error,
      );
      await clock.advance(20_000);
      const answer = await renamed;
      other.renames.begin();
      await clock.advance(20_000);
      deaf.roll.readAgain();
      await clock.settle();
      const late = await openRequester(broker, clock, 'd');
      late.renames.begin();
      await clock.advance(20_000);

      assert.deepEqual(faults, []);
      for (const each of [other, deaf, late]) {
        assert.notEqual(each.roll.records.stored('new').kind, 'arriving');
        const isGone = done.get('membership') === 'delete';
        const [id] = shownBy(each);
        assert.deepEqual(shownBy(each).length, isGone ? 0 : 1);
        if (answer === 'Ok' && !isGone) assert.equal(id, 'new');
        if (id === undefined) continue;
        const { Membership, Muster } = each.roll.records.get(id) ?? assert.fail();
        const expected =
          { approve: 'APPROVED', reject: 'REJECTED' }[done.get('membership') ?? ''] ?? 'PENDING';
        assert.equal(Membership, expected);
        assert.equal(Muster?.Labels?.rack, done.has('label') ? 'b7' : undefined);
        assert.equal(Muster?.Arrival, undefined);
        assert.deepEqual(
          Muster?.FormerIDs?.map(({ ID }) => ID),
          id === 'new' ? ['old'] : undefined,
        );
      }
      const told = new Set(
        [one, other, late].flatMap(({ announced }) =>
          announced.flatMap(({ id, change }) =>
            change.Kind === 'renamed' ? `${id} ${change.Revision}` : [],
          ),
        ),
      );
      const isRenamed = late.roll.records.stored('old').kind === 'renamed';
      assert.deepEqual([...told].map(text => text.split(' ')[0]).sort(), isRenamed ? ['new', 'old'] : []);
      assert.ok(answer === 'Ok' || isDead || isDeleted, String(answer));
      for (const each of [one, other, deaf, late]) each.roll.stop();
    }),
    { numRuns: 300 },
  );
});

test('of two renames of one node at the same time one is made, and the other one says which', async () => {
  const clock = new FakeClock();
  const open = await openRequester(new FakeBroker(clock), clock, 'a');
  await register(open, 'old');
  const results = await Promise.allSettled(
    ['new', 'other'].map(newId => open.renames.rename('old', newId, by)),
  );
  const errors = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []));
  assert.equal(errors.length, 1);
  const [made, refused] = open.roll.records.get('new') ? ['new', 'other'] : ['other', 'new'];
  assert.ok(open.roll.records.get(made));
  assert.equal(open.roll.records.stored(refused).kind, 'absent');
  assert.equal(errors[0].message, `node old was not renamed to ${refused}: it was renamed to ${made}`);
});
