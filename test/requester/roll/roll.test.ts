// Tests the roll: names of nodes, stored records, the limit for PENDING nodes, and records that cannot be read.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deleteNode, rejectNode } from '../../../agent/requester/roll/decisions.ts';
import { recordLog } from '../../support/log-lines.ts';
import { computeInfo, record, requesterNode } from '../samples.ts';
import {
  announcedKinds,
  begin,
  finish,
  foreignWrite,
  openRoll,
  stored,
  unknownCode,
} from './roll-fixture.ts';

describe('a name', () => {
  test('given again after its node was deleted never means another node', async () => {
    const { roll, register } = await begin();
    await register('node-1');
    await register('node-10');
    await roll.decide('node-1', { reason: '', actor: 'op' }, deleteNode);
    for (const again of [
      () => roll.decide('node-1', { reason: '', actor: 'op' }, deleteNode),
      () => roll.decide('node-1', { reason: '', actor: 'op' }, rejectNode),
    ]) {
      await assert.rejects(again, { code: 'not_found', message: 'node not found: node-1' });
    }
    assert.ok(roll.records.get('node-10'));
  });

  test('means the node with this id, or else the only node whose id begins with it', async () => {
    const { roll, register } = await begin();
    for (const id of ['node-11', 'other', 'node-1', 'node-10']) await register(id);
    assert.equal(roll.records.resolve('node-1'), 'node-1');
    assert.equal(roll.records.resolve('node-10'), 'node-10');
    assert.equal(roll.records.resolve('o'), 'other');
    assert.throws(() => roll.records.resolve('node'), {
      code: 'ambiguous',
      message: 'multiple nodes found for prefix: node, matching IDs: [node-1 node-10 node-11]',
    });
    await register('node-12');
    assert.throws(() => roll.records.resolve('node-'), {
      message: 'multiple nodes found for prefix: node-, matching IDs: [node-1 node-10 node-11 ...]',
    });
    for (const name of ['', 'Node-1', 'node-100', 'ode']) {
      assert.throws(() => roll.records.resolve(name), {
        code: 'not_found',
        message: `node not found: ${name}`,
      });
    }
  });

  test('of an exact decision means the node with this whole id, and the error names what begins so', async () => {
    const { roll, register } = await begin();
    const decide = (name: string) =>
      roll.decide(name, { reason: '', actor: 'op', isExact: true }, deleteNode);
    const refused = (name: string, hint: string | undefined) =>
      assert.rejects(decide(name), { code: 'not_found', message: `node not found: ${name}`, hint });
    const needed = 'A decision needs the whole id of the node';
    await register('gpu-40');
    await refused('gpu-4', `did you mean gpu-40? ${needed}`);
    await register('gpu-41');
    await refused('gpu-4', `did you mean gpu-40 or gpu-41? ${needed}`);
    for (const id of ['gpu-42', 'gpu-43']) await register(id);
    await refused('gpu-4', `did you mean gpu-40, gpu-41, gpu-42 or another? ${needed}`);
    await refused('', undefined);
    await refused('tpu', undefined);
    await roll.registerSelf({ ...computeInfo('tpu-0'), NodeType: 'Requester' });
    await refused('tpu', undefined);
    await register('tpu-1');
    await refused('tpu', `did you mean tpu-1? ${needed}`);
    assert.equal(await decide('gpu-40'), 'gpu-40');
    await register('gpu-400');
    await refused('gpu-40', undefined);
    assert.ok(roll.records.get('gpu-400'));
  });

  test('does not mean a node that was deleted', async () => {
    const { roll, register } = await begin();
    await register('node-1');
    await register('node-10');
    await roll.decide('node-1', { reason: '', actor: 'ann' }, deleteNode);
    assert.throws(() => roll.records.resolve('node-1'), { code: 'not_found' });
    assert.equal(roll.records.resolve('node'), 'node-10');
    await roll.decide('node-10', { reason: '', actor: 'ann' }, deleteNode);
    assert.throws(() => roll.records.resolve('node'), { code: 'not_found' });
  });
});

describe('a stored record', () => {
  test('holds no available resources, no health, and no secret but the session', async () => {
    const { broker, register, approve } = await begin();
    await register('node-1');
    await approve('node-1');
    const text = stored(broker, 'node-1');
    assert.match(text, /"MaxCapacity":\{"CPU":4,"Memory":8000000000\}/);
    assert.match(text, /"AvailableCapacity":\{\},"MaxJobRequirements"/);
    assert.match(text, /"QueueCapacity":\{\}/);
    assert.match(text, /"RunningExecutions":0/);
    assert.match(text, /"Connection":"DISCONNECTED"/);
    assert.match(
      text,
      /"Decision":\{"Action":"approve","Reason":"r","Actor":"ann","At":"2026-01-01T00:00:00.000Z"\}/,
    );
  });

  test('is not written again for an update without a difference', async () => {
    const { broker, roll, register } = await begin();
    await register('node-1');
    const { revision } = broker.openBucket('node_v1');
    for (let i = 0; i < 3; i++) assert.equal((await roll.updateInfo(computeInfo('node-1'))).code, 'known');
    assert.equal(broker.openBucket('node_v1').revision, revision);
    // The store is not read either, so the report that each node sends every minute costs the store nothing.
    broker.storeFault = () => ({ fault: 'refused' });
    assert.equal((await roll.updateInfo(computeInfo('node-1'))).code, 'known');
  });

  test('of the requester itself is written once, and again when its information changes', async () => {
    const { broker, clock, roll } = await begin();
    await roll.registerSelf(requesterNode());
    await roll.registerSelf(requesterNode());
    const again = await openRoll(broker, clock);
    await again.roll.registerSelf(requesterNode());
    assert.equal(broker.openBucket('node_v1').revision, 1);
    await again.roll.registerSelf({ ...requesterNode(), Hostname: 'elsewhere' });
    assert.deepEqual(announcedKinds(again), ['node-0 updated']);
  });

  test('is read whole after a restart, with the changes that may not have been announced', async () => {
    const { broker, clock, open, roll, register, approve } = await begin();
    await register('node-1');
    open.unacknowledged.set('node-1', [open.announced[0]?.change ?? assert.fail()]);
    await approve('node-1');
    await register('node-2');
    await roll.decide('node-2', { reason: 'old', actor: 'ann' }, deleteNode);
    const before = [...roll.records.list()];
    const again = await openRoll(broker, clock);
    assert.deepEqual(
      [...again.roll.records.list()].map(({ Muster, ...state }) => state),
      before.map(({ Muster, ...state }) => state),
    );
    assert.deepEqual(
      again.loaded.map(({ id, stored, changes }) => [
        id,
        stored.kind,
        ...changes.map(({ Kind, Revision, Reason }) => `${Kind}@${Revision} ${Reason ?? ''}`),
      ]),
      [
        ['node-1', 'record', 'registered@1 ', 'approved@2 r'],
        ['node-2', 'deleted', 'deleted@4 old'],
      ],
    );
    assert.deepEqual(again.announced, []);
    assert.equal(again.roll.records.stored('node-2').kind, 'deleted');
  });
});

describe('a deleted node', () => {
  test('leaves a marker, is refused as deleted, and registers as a new node', async () => {
    const { broker, roll, present, open, register } = await begin();
    await register('node-1');
    await roll.decide('node-1', { reason: 'old', actor: 'ann' }, deleteNode);
    assert.equal(broker.openBucket('node_v1').entries.get('node-1')?.marker, true);
    assert.equal(present.size, 0);
    assert.equal(roll.records.get('node-1'), undefined);
    assert.equal(roll.records.size, 0);
    assert.equal(roll.records.pending, 0);
    assert.equal(unknownCode(roll, 'node-1'), 'deleted');
    assert.equal((await roll.updateInfo(computeInfo('node-1'))).code, 'deleted');
    assert.equal(unknownCode(roll, 'node-2'), 'handshake_required');
    await assert.rejects(roll.decide('node-1', { reason: '', actor: 'ann' }, deleteNode), {
      code: 'not_found',
    });
    assert.equal((await register('node-1')).code, 'registered');
    assert.deepEqual(announcedKinds(open), ['node-1 registered', 'node-1 deleted', 'node-1 registered']);
  });

  test('is not brought back by a registration that waited somewhere since before the last one', async () => {
    const { broker, clock, roll } = await begin();
    const registration = (Attempt: number) => ({
      Info: computeInfo('node-1'),
      Muster: { Version: '0.1.0', Instance: 'i-1', Attempt },
    });
    assert.equal((await roll.register(registration(2))).code, 'registered');
    await roll.decide('node-1', { reason: '', actor: 'ann' }, deleteNode);
    const other = await openRoll(broker, clock);
    for (const each of [roll, other.roll]) {
      assert.equal((await each.register(registration(1))).code, 'unavailable');
      assert.equal(each.records.stored('node-1').kind, 'deleted');
    }
    assert.equal((await other.roll.register(registration(3))).code, 'registered');
  });

  test('is refused as deleted also when another program deleted it', async () => {
    const { broker, clock, roll, register } = await begin();
    await register('node-1');
    foreignWrite(broker, 'node-1', undefined);
    await clock.settle();
    assert.equal(unknownCode(roll, 'node-1'), 'deleted');
    assert.equal((await openRoll(broker, clock)).roll.records.stored('node-1').kind, 'deleted');
  });
});

test('a registration that waits for its turn is decided by the policy of then', async () => {
  for (const manualApproval of [true, false]) {
    const { roll, policy, register } = await begin({ manualApproval: !manualApproval });
    const answer = register('node-1');
    policy.manualApproval = manualApproval;
    assert.equal((await answer).code, 'registered');
    assert.equal(roll.records.get('node-1')?.Membership, manualApproval ? 'PENDING' : 'APPROVED');
  }
});

describe('at most maxPending nodes are PENDING', () => {
  test('however many register at the same time', async () => {
    const { roll, register } = await begin({ maxPending: 5 });
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, i) => register(`node-${i}`)));
    assert.equal(outcomes.filter(({ code }) => code === 'registered').length, 5);
    assert.equal(outcomes.filter(({ code }) => code === 'full').length, 45);
    assert.equal(outcomes.filter(({ session }) => session !== undefined).length, 5);
    assert.deepEqual([roll.records.size, roll.records.pending], [5, 5]);
  });

  test('but nodes on the roll may register again, and a decision or a deletion makes room', async () => {
    const { roll, waiting, register: send, approve, reject } = await begin({ maxPending: 2 });
    const register = async (id: string) => {
      const outcome = await send(id);
      waiting.markHeard(id);
      return outcome;
    };
    await register('node-1');
    await register('node-2');
    assert.equal((await register('node-3')).code, 'full');
    assert.equal((await register('node-1')).code, 'reconnected');
    await approve('node-1');
    assert.equal((await register('node-3')).code, 'registered');
    await reject('node-2');
    assert.equal((await register('node-4')).code, 'registered');
    await roll.decide('node-3', { reason: '', actor: 'ann' }, deleteNode);
    assert.equal((await register('node-5')).code, 'registered');
    assert.equal((await register('node-3')).code, 'full', 'a deleted node waits like a new one');
    await roll.decide('node-1', { reason: '', actor: 'ann' }, deleteNode);
    assert.equal((await register('node-6')).code, 'full', 'an approved node took no room');
  });

  test('and a node on the roll is not counted twice while it registers again', async () => {
    const { register } = await begin({ maxPending: 2 });
    await register('node-1');
    const outcomes = await Promise.all([register('node-1'), register('node-1'), register('node-2')]);
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      ['reconnected', 'reconnected', 'registered'],
    );
  });

  test('and while all are alive, further registrations cost the store nothing', async () => {
    const { broker, waiting, register } = await begin({ maxPending: 1 });
    await register('node-1');
    waiting.markHeard('node-1');
    broker.storeFault = () => assert.fail('the store was asked');
    for (let i = 2; i < 100; i++) assert.equal((await register(`node-${i}`)).code, 'full');
  });

  test('and a registration that was not stored does not count', async () => {
    const { broker, clock, roll, register } = await begin({ maxPending: 1 });
    broker.failNext('put', { fault: 'timeout' });
    assert.equal((await finish(clock, register('node-1'))).status, 'rejected');
    assert.equal(roll.records.pending, 0);
    assert.equal((await register('node-2')).code, 'full', 'the write may still stand');
    await clock.advance(1_000);
    assert.equal((await register('node-2')).code, 'registered');
  });

  test('and a node whose registration was not answered has its place when it comes again', async () => {
    const { broker, clock, roll, waiting, register } = await begin({ maxPending: 1 });
    broker.failNext('put', { fault: 'timeout' });
    assert.equal((await finish(clock, register('node-1'))).status, 'rejected');
    assert.equal((await register('node-1')).code, 'registered');
    waiting.markHeard('node-1');
    assert.equal((await register('node-2')).code, 'full');
    assert.equal(roll.records.pending, 1);
  });

  test('and registrations that the store carries out later, without an answer, are counted', async () => {
    const { broker, clock, roll, waiting, register } = await begin({ maxPending: 2 });
    const ids = ['node-1', 'node-2'];
    let isHung = false;
    broker.storeFault = operation => {
      isHung ||= operation === 'put';
      return isHung ? { fault: 'timeout' } : undefined;
    };
    const outcomes = await Promise.all(ids.map(id => finish(clock, register(id))));
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    await clock.advance(10_000);
    const third = await finish(clock, register('node-3'));
    assert.equal(third.status === 'fulfilled' && third.value.code, 'full');
    for (const id of ids) foreignWrite(broker, id, JSON.stringify(record(id, 'PENDING')));
    broker.storeFault = undefined;
    await clock.advance(1_000);
    for (const id of ids) waiting.markHeard(id);
    assert.equal((await register('node-3')).code, 'full');
    assert.equal(roll.records.pending, 2);
  });

  test('and nodes that another program approves or adds are counted', async () => {
    const { broker, clock, waiting, register } = await begin({ maxPending: 2 });
    foreignWrite(broker, 'node-8', JSON.stringify(record('node-8', 'PENDING')));
    foreignWrite(broker, 'node-9', JSON.stringify(record('node-9', 'PENDING')));
    await clock.settle();
    for (const id of ['node-8', 'node-9']) waiting.markHeard(id);
    assert.equal((await register('node-1')).code, 'full');
    foreignWrite(broker, 'node-9', JSON.stringify(record('node-9', 'APPROVED')));
    await clock.settle();
    assert.equal((await register('node-1')).code, 'registered');
  });
});

describe('a record that cannot be read', () => {
  test('is logged and counted, neither replaced nor approved, and can be deleted', async () => {
    const { log, lines } = recordLog();
    const { broker, clock, roll, open, register, approve } = await begin({ log });
    await register('node-1');
    foreignWrite(broker, 'node-2', '{"Info":');
    await clock.settle();
    assert.deepEqual([roll.records.size, roll.records.unreadable], [1, 1]);
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields.node]),
      [['error', 'node-2']],
    );
    const refused = await register('node-2');
    assert.equal(refused.code, 'unavailable');
    assert.match(refused.reason, /delete it/);
    assert.equal((await roll.updateInfo(computeInfo('node-2'))).code, 'unavailable');
    await assert.rejects(approve('node-2'), { code: 'bad_state' });
    assert.equal(stored(broker, 'node-2'), '{"Info":');
    assert.equal(roll.records.resolve('node-2'), 'node-2');
    await roll.decide('node-2', { reason: 'broken', actor: 'ann' }, deleteNode);
    assert.deepEqual([roll.records.size, roll.records.unreadable], [1, 0]);
    assert.equal((await register('node-2')).code, 'registered');
    assert.deepEqual(announcedKinds(open), ['node-1 registered', 'node-2 deleted', 'node-2 registered']);
    assert.equal(lines.length, 1);
  });

  test('does not prevent that the others are loaded', async () => {
    const { broker, clock, register } = await begin();
    await register('node-1');
    foreignWrite(broker, 'node-2', 'x');
    await register('node-3');
    const again = await openRoll(broker, clock);
    assert.deepEqual([...again.present.keys()], ['node-1', 'node-3']);
    assert.equal(again.roll.records.unreadable, 1);
  });

  test('removes the node whose record it replaces from the roll', async () => {
    const { broker, clock, roll, present, register } = await begin();
    await register('node-1');
    foreignWrite(broker, 'node-1', 'x');
    await clock.settle();
    assert.deepEqual(
      [roll.records.size, roll.records.pending, roll.records.unreadable, present.size],
      [0, 0, 1, 0],
    );
  });
});
