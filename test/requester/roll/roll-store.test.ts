// Tests the roll on a store that other programs write to, that answers late or not at all, or that is lost.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { NodeState } from '../../../agent/protocol/node-state.ts';
import { approveNode, deleteNode } from '../../../agent/requester/roll/decisions.ts';
import { changesOf, readEntry } from '../../../agent/requester/roll/store.ts';
import { BrokerError, type Bucket } from '../../../agent/transport/port.ts';
import { recordLog } from '../../support/log-lines.ts';
import { bacalhauRecord, computeInfo, counting, record } from '../samples.ts';
import {
  announcedKinds,
  begin,
  finish,
  foreignWrite,
  type OpenRoll,
  openRoll,
  stored,
  unknownCode,
} from './roll-fixture.ts';

describe('another writer', () => {
  test('is noticed by the watch: a new record, a change, a deletion', async () => {
    const { broker, clock, roll, present } = await begin();
    foreignWrite(broker, 'node-9', bacalhauRecord('node-9'));
    await clock.settle();
    assert.equal(roll.records.get('node-9')?.Membership, 'APPROVED');
    assert.equal(roll.records.size, 1);
    foreignWrite(broker, 'node-9', bacalhauRecord('node-9').replace('APPROVED', 'PENDING'));
    await clock.settle();
    assert.equal(roll.records.get('node-9')?.Membership, 'PENDING');
    assert.equal(roll.records.pending, 1);
    assert.equal(present.get('node-9')?.Membership, 'PENDING');
    foreignWrite(broker, 'node-9', undefined);
    await clock.settle();
    assert.deepEqual([roll.records.size, roll.records.pending, present.size], [0, 0, 0]);
  });

  test('may use keys that are no node ids, and these are ignored', async () => {
    const { broker, clock, roll } = await begin();
    foreignWrite(broker, 'a/b.c', 'whatever');
    await clock.settle();
    assert.deepEqual([roll.records.size, roll.records.unreadable], [0, 0]);
  });

  test('that writes first makes the roll apply its rule again, and neither change is lost', async () => {
    const { broker, roll, open, register, approve } = await begin();
    await register('node-1');
    let times = 3;
    broker.storeFault = operation => {
      if (operation !== 'put' || times-- <= 0) return undefined;
      const entryRecord = readEntry(broker.openBucket('node_v1').entries.get('node-1'));
      assert.ok(entryRecord.kind === 'record');
      const Info = computeInfo('node-1', { written: String(times) });
      foreignWrite(broker, 'node-1', JSON.stringify({ ...entryRecord.state, Info }));
      return undefined;
    };
    await approve('node-1');
    assert.equal(roll.records.get('node-1')?.Membership, 'APPROVED');
    assert.deepEqual(roll.records.get('node-1')?.Info.Labels, { written: '0' });
    assert.deepEqual(announcedKinds(open), ['node-1 registered', 'node-1 approved']);
    assert.equal(open.announced.at(-1)?.change.Revision, broker.openBucket('node_v1').revision);
  });

  test('that writes before a decision can make the decision a conflict or not found', async () => {
    const { broker, register, approve } = await begin();
    const meanwhile = (write: () => void) => {
      let done = false;
      broker.storeFault = operation => {
        if (operation === 'put' && !done) {
          done = true;
          write();
        }
        return undefined;
      };
    };
    await register('node-1');
    meanwhile(() => foreignWrite(broker, 'node-1', JSON.stringify(record('node-1', 'APPROVED'))));
    await assert.rejects(approve('node-1'), { code: 'conflict' });
    await register('node-2');
    meanwhile(() => foreignWrite(broker, 'node-2', undefined));
    await assert.rejects(approve('node-2'), { code: 'not_found' });
    await register('node-3');
    meanwhile(() => foreignWrite(broker, 'node-3', '{'));
    await assert.rejects(approve('node-3'), { code: 'bad_state' });
  });

  test('that always writes first ends in an error that may be tried again', async () => {
    const { broker, register, approve } = await begin();
    await register('node-1');
    const text = stored(broker, 'node-1');
    broker.storeFault = operation => {
      if (operation === 'put') foreignWrite(broker, 'node-1', text);
      return undefined;
    };
    await assert.rejects(approve('node-1'), { name: 'BrokerError', fault: 'timeout', message: /node-1/ });
  });
});

test('records that cannot be read are one line of the log for each reading, and later ones are limited', async () => {
  const { log, lines } = recordLog();
  const { broker, clock } = await begin();
  for (let number = 1; number <= 9; number++) foreignWrite(broker, `bad-${number}`, '{');
  const { roll } = await openRoll(broker, clock, { log });
  assert.equal(roll.records.unreadable, 9);
  assert.deepEqual(
    lines.map(({ level, fields }) => [level, fields]),
    [['error', { records: 9, nodes: ['bad-1', 'bad-2', 'bad-3'] }]],
  );
  for (let number = 10; number <= 19; number++) foreignWrite(broker, `bad-${number}`, '{');
  broker.stop();
  broker.start();
  await clock.settle();
  assert.equal(roll.records.unreadable, 19);
  assert.deepEqual(
    lines.slice(1).map(({ fields }) => fields),
    [{ node: 'bad-10' }],
  );
});

describe('two operators at once', () => {
  const outcomes = async (works: Promise<unknown>[]) =>
    (await Promise.allSettled(works)).map(result =>
      result.status === 'fulfilled' ? 'Ok' : (result.reason as { code: string }).code,
    );

  test('with the same approval: exactly one gets Ok and the others get a conflict', async () => {
    const { open, register, approve } = await begin();
    await register('node-1');
    const answers = await outcomes([approve('node-1'), approve('node-1'), approve('node-1')]);
    assert.deepEqual(answers.sort(), ['Ok', 'conflict', 'conflict']);
    assert.deepEqual(announcedKinds(open), ['node-1 registered', 'node-1 approved']);
  });

  test('through two requesters on one store: the same', async () => {
    const { broker, clock, open, register, approve } = await begin();
    await register('node-1');
    const other = await openRoll(broker, clock, { random: counting('other-') });
    const theirs = other.roll.decide('node-1', { reason: '', actor: 'bob' }, approveNode);
    assert.deepEqual((await outcomes([approve('node-1'), theirs])).sort(), ['Ok', 'conflict']);
    await clock.settle();
    assert.equal(open.roll.records.get('node-1')?.Membership, 'APPROVED');
    assert.equal(other.roll.records.get('node-1')?.Membership, 'APPROVED');
  });

  test('with opposite decisions: both are carried out, one after the other', async () => {
    const { open, roll, register, approve, reject } = await begin();
    await register('node-1');
    assert.deepEqual(await outcomes([approve('node-1'), reject('node-1')]), ['Ok', 'Ok']);
    assert.equal(roll.records.get('node-1')?.Membership, 'REJECTED');
    assert.deepEqual(
      open.announced.map(({ change }) => [change.Previous, change.Current]),
      [
        ['', 'PENDING'],
        ['PENDING', 'APPROVED'],
        ['APPROVED', 'REJECTED'],
      ],
    );
  });

  test('with a deletion and an approval: both are carried out, or the approval finds no node', async () => {
    for (const first of ['approve', 'delete']) {
      const { roll, register, approve } = await begin();
      await register('node-1');
      const remove = () => roll.decide('node-1', { reason: '', actor: 'bob' }, deleteNode);
      const works = first === 'approve' ? [approve('node-1'), remove()] : [remove(), approve('node-1')];
      assert.deepEqual(await outcomes(works), first === 'approve' ? ['Ok', 'Ok'] : ['Ok', 'not_found']);
      assert.equal(roll.records.get('node-1'), undefined);
    }
  });

  test('a decision about a node that registers at the same time is not lost', async () => {
    const { roll, register, reject } = await begin();
    await register('node-1');
    await Promise.all([reject('node-1'), register('node-1', 'b'), register('node-1', 'c')]);
    assert.equal(roll.records.get('node-1')?.Membership, 'REJECTED');
    assert.equal(roll.records.get('node-1')?.Muster?.Decision?.Action, 'reject');
  });
});

describe('a node that memory does not know', () => {
  test('costs the store one write and no read', async () => {
    const { broker, register } = await begin();
    const operations: string[] = [];
    broker.storeFault = operation => void operations.push(operation);
    assert.equal((await register('node-1')).code, 'registered');
    assert.deepEqual(operations, ['put']);
  });

  const known: Record<string, string | undefined> = {
    'is rejected': bacalhauRecord('node-1').replace('APPROVED', 'REJECTED'),
    'is approved': bacalhauRecord('node-1'),
    'was deleted': undefined,
    'has a record that cannot be read': 'no record',
  };
  for (const [what, value] of Object.entries(known)) {
    test(`and of which the store says that it ${what} is answered as if memory knew that`, async () => {
      const informed = await begin();
      foreignWrite(informed.broker, 'node-1', value);
      await informed.clock.settle();
      const expected = await informed.register('node-1');
      const { broker, roll, register } = await begin();
      // The watch has not brought it yet.
      broker.announce = () => undefined;
      foreignWrite(broker, 'node-1', value);
      assert.equal(roll.records.stored('node-1').revision, 0);
      const outcome = await register('node-1');
      const seen = ({ accepted, code, reason }: typeof outcome) => ({ accepted, code, reason });
      assert.deepEqual(seen(outcome), seen(expected));
      assert.equal(roll.records.get('node-1')?.Membership, informed.roll.records.get('node-1')?.Membership);
    });
  }

  test('is not let in when the store may not be written', async () => {
    const { broker, roll, register } = await begin();
    broker.failNext('put', { fault: 'no_quorum' });
    await assert.rejects(register('node-1'), { fault: 'no_quorum' });
    assert.equal(roll.records.get('node-1'), undefined);
    assert.equal((await register('node-1')).code, 'registered');
  });
});

describe('a cluster that chooses a leader', () => {
  test('may refuse a write because of an earlier attempt of it, which stands a moment later', async () => {
    let carryOut = async (): Promise<unknown> => undefined;
    let isSlow = false;
    const wrap = (bucket: Bucket): Bucket => ({
      ...bucket,
      watch: (...args) => bucket.watch(...args),
      async put(...args) {
        if (!isSlow) return await bucket.put(...args);
        isSlow = false;
        carryOut = () => bucket.put(...args);
        throw new BrokerError('revision_conflict', 'the first attempt is under way');
      },
      async get(key) {
        const entry = await bucket.get(key);
        // The record is read once more as it was. Then the first attempt is carried out.
        const work = carryOut;
        carryOut = async () => undefined;
        await work();
        return entry;
      },
    });
    const { roll, open, register, approve } = await begin({ wrap });
    await register('node-1');
    isSlow = true;
    await approve('node-1');
    assert.equal(roll.records.get('node-1')?.Membership, 'APPROVED');
    assert.deepEqual(announcedKinds(open), ['node-1 registered', 'node-1 approved']);
  });
});

describe('a store that is lost', () => {
  test('empties the roll, and every node registers again as a new one', async () => {
    const { log, lines } = recordLog();
    const { broker, clock, roll, open, present, register, approve } = await begin({ log });
    await register('node-1');
    await approve('node-1');
    await register('node-2');
    await roll.decide('node-2', { reason: '', actor: 'ann' }, deleteNode);
    broker.wipe();
    broker.start();
    await clock.settle();
    assert.equal(open.storeLosses, 1);
    assert.deepEqual([roll.records.size, roll.records.pending, present.size], [0, 0, 0]);
    assert.equal(unknownCode(roll, 'node-1'), 'handshake_required');
    assert.equal(unknownCode(roll, 'node-2'), 'handshake_required', 'the marker of the deletion is lost too');
    assert.equal((await register('node-1')).code, 'registered');
    assert.equal(roll.records.get('node-1')?.Membership, 'PENDING');
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['warn'],
    );
  });

  test('is replaced by a new store, whose records are read although its revisions start again', async () => {
    const { broker, clock, roll, register, approve } = await begin();
    await register('node-1');
    await approve('node-1');
    await register('node-1');
    broker.wipe();
    foreignWrite(broker, 'node-1', JSON.stringify(record('node-1', 'REJECTED')));
    broker.start();
    await clock.settle();
    assert.equal(roll.records.get('node-1')?.Membership, 'REJECTED');
    assert.equal(roll.records.size, 1);
  });

  test('in parts, without markers, removes the lost records from the roll', async () => {
    const { broker, clock, open, roll, present, register } = await begin();
    await register('node-1');
    await register('node-2');
    broker.stop();
    broker.openBucket('node_v1').entries.delete('node-1');
    broker.start();
    await clock.settle();
    assert.equal(unknownCode(roll, 'node-1'), 'handshake_required');
    assert.deepEqual(
      [[...present.keys()], roll.records.size, roll.records.pending, open.storeLosses],
      [['node-2'], 1, 1, 1],
    );
  });

  test('is not assumed after a reconnection to the same store, and changes in between are read', async () => {
    const { broker, clock, roll, open, register } = await begin();
    for (const id of ['node-1', 'node-2', 'node-3']) await register(id);
    broker.stop();
    foreignWrite(broker, 'node-1', JSON.stringify(record('node-1', 'REJECTED')));
    foreignWrite(broker, 'node-2', undefined);
    broker.start();
    await clock.settle();
    assert.equal(open.storeLosses, 0);
    assert.equal(roll.records.get('node-1')?.Membership, 'REJECTED');
    assert.equal(unknownCode(roll, 'node-2'), 'deleted');
    assert.equal(roll.records.get('node-3')?.Membership, 'PENDING');
  });

  test('does not remove a node that registers while the store is read', async () => {
    // The test ends each pass of this watch itself. A pass delivers the entries that were in the store when it began.
    const { broker, clock } = await begin();
    const bucket = await (await broker.connect().storage()).bucket({ name: 'node_v1', history: 1 });
    let passes: { begin?(pass: { lost: boolean }): void; complete?(): void } = {};
    const open = await openRoll(broker, clock, {
      wrap: each => ({
        ...each,
        watch: (_, given) => {
          passes = given ?? {};
          return Promise.resolve({
            ready: Promise.resolve(),
            stop: () => undefined,
            restart: () => undefined,
          });
        },
      }),
    });
    for (const lost of [false, true]) {
      await open.roll.register({ Info: computeInfo('node-1') });
      passes.begin?.({ lost });
      if (lost) await bucket.purge('node-1', (await bucket.get('node-1'))?.revision ?? 0, {});
      const registered = open.roll.register({ Info: computeInfo('node-1', { zone: 'b' }) });
      // After a loss, the registration waits until the store was compared with the events.
      if (!lost) await registered;
      passes.complete?.();
      await registered;
      assert.ok(open.roll.records.get('node-1'));
      assert.ok(open.present.has('node-1'));
    }
  });

  test('makes a load fail; otherwise the load ends when all records are read', async () => {
    const { broker, clock, register } = await begin();
    await register('node-1');
    const ready = Promise.withResolvers<void>();
    const [entry] = broker.openBucket('node_v1').entries.values();
    assert.ok(entry);
    let tell: () => void = () => assert.fail('not watched');
    const opened: OpenRoll[] = [];
    const opening = openRoll(broker, clock, {
      wrap: each => ({
        ...each,
        watch: async fn => {
          tell = () => fn(entry);
          return { ready: ready.promise, stop: () => undefined, restart: () => undefined };
        },
      }),
    }).then(open => opened.push(open));
    await clock.settle();
    assert.equal(opened.length, 0);
    tell();
    ready.resolve();
    await opening;
    assert.deepEqual(
      opened[0]?.loaded.map(({ id }) => id),
      ['node-1'],
    );
    const failing = Promise.reject(new BrokerError('disconnected', 'lost'));
    const watch = async () => ({ ready: failing, stop: () => undefined, restart: () => undefined });
    await assert.rejects(openRoll(broker, clock, { wrap: each => ({ ...each, watch }) }), {
      fault: 'disconnected',
    });
  });

  test('and read again from its beginning gives each entry to the roll only once', async () => {
    const { broker, clock, register } = await begin();
    await register('node-1');
    const entries = [...broker.openBucket('node_v1').entries.values()];
    const again = await openRoll(broker, clock, {
      wrap: each => ({
        ...each,
        watch: async (fn, passes) => {
          for (let times = 0; times < 2; times++) {
            passes?.begin?.({ lost: false });
            entries.forEach(fn);
          }
          passes?.complete?.();
          return { ready: Promise.resolve(), stop: () => undefined, restart: () => undefined };
        },
      }),
    });
    assert.equal(again.loaded.length, 1);
    assert.deepEqual([again.roll.records.size, again.roll.records.pending], [1, 1]);
  });

  test('is not assumed while the broker is away: the nodes stay on the roll', async () => {
    const { broker, clock, roll, register } = await begin();
    await register('node-1');
    broker.stop();
    await assert.rejects(register('node-1'), { fault: 'disconnected' });
    await assert.rejects(register('node-2'), { fault: 'disconnected' });
    assert.equal(roll.records.get('node-1')?.Membership, 'PENDING');
    broker.start();
    await clock.settle();
    assert.equal((await register('node-1')).code, 'reconnected');
  });
});

describe('a store that does not answer', () => {
  test('never makes a rejected node a new one', async () => {
    const { broker, clock, roll, register, reject } = await begin();
    await register('node-1');
    await reject('node-1');
    for (const operation of ['get', 'put'] as const) {
      for (const applied of [false, true]) {
        broker.failNext(operation, { fault: 'timeout', applied });
        await finish(clock, register('node-1'));
        assert.equal(roll.records.get('node-1')?.Membership, 'REJECTED');
      }
    }
    assert.equal((await register('node-1')).code, 'rejected');
  });

  test('a change whose answer is lost is announced once, when the watch brings it', async () => {
    const { broker, clock, roll, open, register, approve } = await begin();
    await register('node-1');
    broker.failNext('put', { fault: 'timeout', applied: true });
    const work = approve('node-1');
    broker.failNext('get', { fault: 'timeout' });
    // The first `get` is the read before the write.
    await finish(clock, work);
    broker.failNext('put', { fault: 'timeout', applied: true });
    const again = approve('node-1');
    await clock.settle();
    broker.failNext('get', { fault: 'timeout' });
    assert.equal((await finish(clock, again)).status, 'rejected');
    assert.equal(roll.records.get('node-1')?.Membership, 'APPROVED');
    assert.deepEqual(announcedKinds(open), ['node-1 registered', 'node-1 approved']);
    await assert.rejects(approve('node-1'), { code: 'conflict' });
  });

  test('without a watch, a change whose answer is lost is announced at the next read', async () => {
    const { broker, clock, roll, open, register, approve, reject } = await begin();
    await register('node-1');
    roll.stop();
    broker.failNext('put', { fault: 'timeout', applied: true });
    const work = approve('node-1');
    await clock.settle();
    broker.failNext('get', { fault: 'timeout' });
    assert.equal((await finish(clock, work)).status, 'rejected');
    assert.deepEqual(announcedKinds(open), ['node-1 registered']);
    await reject('node-1');
    assert.deepEqual(announcedKinds(open), ['node-1 registered', 'node-1 approved', 'node-1 rejected']);
    assert.deepEqual(
      open.announced.map(({ change }) => change.Revision),
      [1, 2, 3],
    );
  });

  test('every write is announced once and in order, whatever answers are lost, and nothing is written twice', async () => {
    const fault = fc.option(
      fc.record({
        fault: fc.constantFrom('timeout' as const, 'disconnected' as const, 'no_responders' as const),
        applied: fc.boolean(),
      }),
      { freq: 2 },
    );
    const action = fc.record({
      id: fc.constantFrom('node-1', 'node-2'),
      kind: fc.constantFrom('register', 'approve', 'reject', 'delete', 'update'),
      zone: fc.constantFrom('a', 'b'),
      together: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 25, size: 'max' }),
        fc.infiniteStream(fault),
        async (actions, faults) => {
          const { clock, broker, open, roll, register, approve, reject } = await begin();
          const written: string[] = [];
          const operations = new Set<string>();
          const { announce } = broker;
          broker.announce = (name, entry) => {
            const entryRecord = readEntry(entry);
            const change = changesOf(entry, entryRecord).find(each => each.Revision === entry.revision);
            if (change) written.push(`${entry.key} ${change.Kind} ${change.Revision}`);
            const operation =
              entryRecord.kind === 'record'
                ? entryRecord.state.Muster?.Operation
                : entry.headers['Muster-Operation'];
            assert.ok(operation && !operations.has(operation), 'the same change was written twice');
            operations.add(operation);
            announce.call(broker, name, entry);
          };
          broker.storeFault = operation =>
            /get|put|purge/.test(operation) ? (faults.next().value ?? undefined) : undefined;
          const run = async ({ id, kind, zone }: { id: string; kind: string; zone: string }) => {
            const before = operations.size;
            try {
              if (kind === 'register') await register(id, zone);
              else if (kind === 'approve') await approve(id);
              else if (kind === 'reject') await reject(id);
              else if (kind === 'delete') await roll.decide(id, { reason: '', actor: 'ann' }, deleteNode);
              else await roll.updateInfo(computeInfo(id, { zone }));
              return { ok: true, before };
            } catch (error) {
              assert.ok(
                error instanceof BrokerError ||
                  /^(not_found|conflict)$/.test((error as { code: string }).code),
                String(error),
              );
              return { ok: false, before };
            }
          };
          let works: Promise<{ ok: boolean; before: number }>[] = [];
          for (const each of actions) {
            works.push(run(each));
            if (each.together) continue;
            for (const work of works) await finish(clock, work);
            works = [];
          }
          for (const work of works) await finish(clock, work);
          broker.storeFault = undefined;
          await clock.settle();
          const announced = open.announced.map(({ id, change }) => `${id} ${change.Kind} ${change.Revision}`);
          assert.deepEqual(announced, written);
          const again = await openRoll(broker, clock);
          const table = (each: OpenRoll) =>
            [...each.roll.records.list()]
              .map((state: NodeState) => [state.Info.NodeID, state.Membership])
              .sort();
          assert.deepEqual(table(open), table(again));
          assert.equal(roll.records.pending, again.roll.records.pending);
        },
      ),
      { numRuns: 80 },
    );
  });
});
