// Tests how often a node can make the requester store its information: a burst of five, and then once in 10 s.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { deleteNode } from '../../../agent/requester/roll/decisions.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { computeInfo } from '../samples.ts';
import { announcedKinds, begin, finish, stored } from './roll-fixture.ts';

const revisionOf = ({ broker }: Awaited<ReturnType<typeof begin>>) => broker.openBucket('node_v1').revision;
const zoneIn = ({ broker }: Awaited<ReturnType<typeof begin>>, id = 'node-1') =>
  JSON.parse(stored(broker, id) || '{}').Info?.Labels.zone;

describe('information that changes all the time', () => {
  test('is stored five times at once and then every 10 s, and the latest is stored in the end', async () => {
    const all = await begin();
    const { clock, roll, register, open } = all;
    await register('node-1');
    for (let i = 1; i <= 600; i++) {
      const outcome = await roll.updateInfo(computeInfo('node-1', { zone: `z${i}` }));
      assert.deepEqual([outcome.accepted, outcome.code], [true, 'known']);
      await clock.advance(100);
    }
    assert.equal(revisionOf(all), 1 + 5 + 6);
    await clock.advance(10_000);
    assert.equal(zoneIn(all), 'z600');
    assert.equal(roll.records.get('node-1')?.Info.Labels?.zone, 'z600');
    assert.deepEqual(announcedKinds(open).slice(1), Array(11).fill('node-1 updated'));
    assert.equal(clock.pending, 0);
  });

  test('is not stored when the latest is what the record has', async () => {
    const all = await begin();
    const { clock, roll, register } = all;
    await register('node-1', 'a');
    for (let i = 0; i < 20; i++) await roll.updateInfo(computeInfo('node-1', { zone: i % 2 ? 'a' : 'b' }));
    await roll.updateInfo(computeInfo('node-1', { zone: zoneIn(all) }));
    const before = revisionOf(all);
    await clock.advance(60_000);
    assert.equal(revisionOf(all), before);
  });

  test('costs the store neither a read nor a write while it waits', async () => {
    const { broker, roll, register } = await begin();
    await register('node-1');
    for (let i = 0; i < 5; i++) await roll.updateInfo(computeInfo('node-1', { zone: `z${i}` }));
    broker.storeFault = () => assert.fail('the store was asked');
    for (let i = 5; i < 500; i++) {
      assert.equal((await roll.updateInfo(computeInfo('node-1', { zone: `z${i}` }))).accepted, true);
    }
  });

  test('of one node does not delay another node, nor a decision', async () => {
    const { roll, register, approve, reject } = await begin();
    await register('node-1');
    await register('node-2');
    for (let i = 0; i < 50; i++) await roll.updateInfo(computeInfo('node-1', { zone: `z${i}` }));
    await roll.updateInfo(computeInfo('node-2', { zone: 'b' }));
    assert.equal(roll.records.get('node-2')?.Info.Labels?.zone, 'b');
    for (let i = 0; i < 10; i++) {
      await approve('node-1');
      await reject('node-1');
    }
    assert.equal(roll.records.get('node-1')?.Membership, 'REJECTED');
  });

  test('is stored when the requester stops, and by a later try when the store fails', async () => {
    const all = await begin();
    const { broker, clock, roll, register } = all;
    await register('node-1');
    for (let i = 0; i < 10; i++) await roll.updateInfo(computeInfo('node-1', { zone: `z${i}` }));
    broker.failNext('put', { fault: 'refused' });
    await clock.advance(10_000);
    assert.equal(zoneIn(all), 'z4');
    await clock.advance(10_000);
    assert.equal(zoneIn(all), 'z9');
    await roll.updateInfo(computeInfo('node-1', { zone: 'last' }));
    await roll.storeHeld();
    assert.equal(zoneIn(all), 'last');
    roll.stop();
    assert.equal(clock.pending, 0);
  });

  test('stays in memory when the store may not be written', async () => {
    const { clock, bucket, roll, register } = await begin();
    await register('node-1');
    for (let i = 0; i < 10; i++) await roll.updateInfo(computeInfo('node-1', { zone: `z${i}` }));
    bucket.put = () => Promise.reject(new MusterError('in_use', 'it may not be written'));
    await clock.advance(30_000);
    await roll.storeHeld();
    assert.equal(roll.records.get('node-1')?.Info.Labels?.zone, 'z4');
  });

  test('never comes back after a deletion, a rejection or a newer registration', async () => {
    for (const muster of [true, false]) {
      const all = await begin();
      const { clock, roll, reject } = all;
      const register = (zone: string) =>
        roll.register({
          Info: computeInfo('node-1', { zone }),
          ...(muster ? { Muster: { Version: '0.1.0' } } : {}),
        });
      const change = async () => {
        for (let i = 0; i < 10; i++) await roll.updateInfo(computeInfo('node-1', { zone: `z${i}` }));
      };
      await register('first');
      await change();
      await roll.decide('node-1', { reason: '', actor: 'ann' }, deleteNode);
      await clock.advance(30_000);
      assert.equal(roll.records.get('node-1'), undefined);
      await register('second');
      await change();
      await clock.advance(9_000);
      await roll.updateInfo(computeInfo('node-1', { zone: 'held' }));
      await roll.decide('node-1', { reason: '', actor: 'ann' }, deleteNode);
      await register('third');
      await clock.advance(60_000);
      assert.equal(zoneIn(all), 'third');
      await change();
      await reject('node-1');
      const before = stored(all.broker, 'node-1');
      await clock.advance(60_000);
      assert.equal(stored(all.broker, 'node-1'), before);
    }
  });
});

describe('a node that registers again and again', () => {
  test('is refused for at most 10 s, and the answer says how long', async () => {
    const all = await begin();
    const { clock, register } = all;
    assert.equal((await register('node-1')).code, 'registered');
    for (let i = 0; i < 5; i++) assert.equal((await register('node-1')).code, 'reconnected');
    const before = revisionOf(all);
    await clock.advance(2_500);
    const refused = await register('node-1');
    assert.deepEqual([refused.accepted, refused.code, refused.session], [false, 'unavailable', undefined]);
    assert.match(refused.reason, /try again in 8 s$/);
    assert.equal(revisionOf(all), before);
    await clock.advance(7_500);
    assert.equal((await register('node-1')).code, 'reconnected');
  });

  test('is answered as usual when it is of Bacalhau, and its latest information is stored in the end', async () => {
    const all = await begin();
    const { clock, roll } = all;
    const register = (zone: string) => roll.register({ Info: computeInfo('node-1', { zone }) });
    assert.equal((await register('a')).code, 'registered');
    for (let i = 0; i < 50; i++) assert.equal((await register(`z${i}`)).code, 'reconnected');
    assert.equal(revisionOf(all), 6);
    await clock.advance(10_000);
    assert.equal(zoneIn(all), 'z49');
    assert.equal(revisionOf(all), 7);
  });
});

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('update' as const), zone: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('register' as const), zone: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(25_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('at once' as const), zones: fc.array(fc.nat(5)) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('approve' as const, 'fault' as const) }) },
);

test('any sequence of requests causes few writes, and the last information stands in the end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 80 }), async (muster, steps) => {
      const all = await begin();
      const { broker, clock, roll } = all;
      const info = (zone: number) => computeInfo('node-1', { zone: `z${zone}` });
      const register = (zone: number) =>
        roll.register({ Info: info(zone), ...(muster ? { Muster: { Version: '0.1.0' } } : {}) });
      await register(0);
      let latest = 0;
      let decisions = 0;
      const apply = async (work: Promise<{ accepted: boolean }>, zone: number) => {
        const settled = await finish(clock, work);
        if (settled.status === 'fulfilled' && settled.value.accepted) latest = zone;
      };
      for (const each of steps) {
        if (each.kind === 'update') await apply(roll.updateInfo(info(each.zone)), each.zone);
        else if (each.kind === 'register') await apply(register(each.zone), each.zone);
        else if (each.kind === 'wait') await clock.advance(each.ms);
        else if (each.kind === 'at once') {
          await finish(clock, Promise.allSettled(each.zones.map(zone => roll.updateInfo(info(zone)))));
          // Some of them may have met the planned faults. A node sends its information again after a failure.
          const last = each.zones.at(-1);
          for (let i = 0; last !== undefined && i < 80; i++) await apply(roll.updateInfo(info(last)), last);
        } else if (each.kind === 'fault') broker.failNext('put', { fault: 'refused' });
        else if (roll.records.get('node-1')?.Membership === 'PENDING') {
          const decided = await finish(clock, all.approve('node-1'));
          if (decided.status === 'fulfilled') decisions++;
        }
        const writes = revisionOf(all) - 1 - decisions;
        assert.ok(writes <= 5 + clock.monotonic() / 10_000, `${writes} writes after ${clock.monotonic()} ms`);
      }
      await clock.advance(60_000);
      assert.equal(zoneIn(all), `z${latest}`);
      assert.equal(clock.pending, 0);
    }),
    { numRuns: 150 },
  );
});
