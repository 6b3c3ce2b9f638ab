// Tests that a decision which is repeated under the id of its operation is carried out once, wherever it is repeated.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newOperation } from '../../../agent/protocol/operation.ts';
import { approveNode, deleteNode, rejectNode, rekeyNode } from '../../../agent/requester/roll/decisions.ts';
import type { Roll } from '../../../agent/requester/roll/roll.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { computeInfo } from '../samples.ts';
import { announcedKinds, type OpenRoll, openRoll, stored } from './roll-fixture.ts';

const rules = { approve: approveNode, reject: rejectNode, delete: deleteNode };
const operation = (n: number) =>
  newOperation(new Date(1_700_000_000_000 + n), `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);
const decide = (roll: Roll, action: keyof typeof rules, n: number, node = 'node-1') =>
  roll.decide(node, { reason: 'r', actor: 'ann', operation: operation(n), isExact: true }, rules[action]);
const register = (roll: Roll, node = 'node-1') =>
  roll.register({ Info: computeInfo(node, {}), Muster: { Version: '0.1.0' } });

/** Opens two rolls of one store, as two requesters have them. */
async function openTwo() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const one = await openRoll(broker, clock, { hasPeers: () => true });
  const other = await openRoll(broker, clock, { hasPeers: () => true });
  await register(one.roll);
  return { clock, broker, one, other };
}

const membership = ({ roll }: OpenRoll, node = 'node-1') => roll.records.get(node)?.Membership;

describe('a decision that is repeated under its operation', () => {
  for (const action of ['approve', 'reject', 'delete'] as const) {
    test(`is carried out once: ${action}, here and at another requester`, async () => {
      const { one, other, broker } = await openTwo();
      await decide(one.roll, action, 1);
      const revision = broker.openBucket('node_v1').revision;
      await decide(one.roll, action, 1);
      await decide(other.roll, action, 1);
      assert.equal(broker.openBucket('node_v1').revision, revision, 'it is written once');
      assert.equal(announcedKinds(one).length, 2, 'it is announced once');
    });
  }

  test('is carried out once also when both requesters get it at once', async () => {
    const { one, other, broker } = await openTwo();
    const before = broker.openBucket('node_v1').revision;
    await Promise.all([one, other].map(({ roll }) => decide(roll, 'approve', 1)));
    assert.equal(broker.openBucket('node_v1').revision, before + 1);
  });

  test('does not undo a later decision, nor decides about a node that came back', async () => {
    const { one, other } = await openTwo();
    await decide(one.roll, 'approve', 1);
    await decide(other.roll, 'reject', 2);
    await decide(one.roll, 'approve', 1);
    assert.equal(membership(one), 'REJECTED');
    await decide(other.roll, 'delete', 3);
    await decide(one.roll, 'approve', 1);
    await decide(one.roll, 'delete', 3);
    assert.equal(membership(one), undefined);
    await register(one.roll);
    for (const { roll } of [one, other]) {
      await decide(roll, 'approve', 1);
      await decide(roll, 'delete', 3);
    }
    assert.equal(membership(one), 'PENDING', 'the node that registered again is another decision');
  });

  test('is known after a restart, and after other writes of the record', async () => {
    const { one, clock, broker } = await openTwo();
    await decide(one.roll, 'approve', 1);
    await register(one.roll);
    await one.roll.updateInfo(computeInfo('node-1', { zone: 'z' }));
    one.roll.stop();
    const again = await openRoll(broker, clock);
    await decide(again.roll, 'approve', 1);
    assert.equal(membership(again), 'APPROVED');
    await assert.rejects(decide(again.roll, 'approve', 2), { code: 'conflict' });
  });

  test('is refused when it is another decision', async () => {
    const { one } = await openTwo();
    await decide(one.roll, 'approve', 1);
    await assert.rejects(decide(one.roll, 'reject', 1), {
      code: 'conflict',
      message: `operation ${operation(1)} was another decision: node-1 was approved`,
    });
    assert.equal(membership(one), 'APPROVED');
  });

  test('is refused when only one of both bans the key', async () => {
    for (const isBan of [false, true]) {
      const { one, other } = await openTwo();
      const remove = ({ roll }: OpenRoll, banned: boolean) =>
        roll.decide(
          'node-1',
          { reason: '', actor: 'ann', operation: operation(1), isBan: banned },
          deleteNode,
        );
      await remove(one, isBan);
      await remove(other, isBan);
      await assert.rejects(remove(other, !isBan), {
        code: 'conflict',
        message: `operation ${operation(1)} was another decision: node-1 was deleted, and its key ${isBan ? '' : 'not '}banned`,
      });
    }
  });

  test('may be about several nodes', async () => {
    const { one } = await openTwo();
    await register(one.roll, 'node-2');
    await decide(one.roll, 'approve', 1, 'node-1');
    await decide(one.roll, 'approve', 1, 'node-2');
    assert.equal(membership(one, 'node-2'), 'APPROVED');
  });

  test('gives a node the key once', async () => {
    const { one } = await openTwo();
    const rekey = (key: string) =>
      one.roll.decide('node-1', { reason: '', actor: 'ann', operation: operation(1) }, rekeyNode(key));
    const key = `U${'A'.repeat(55)}`;
    await rekey(key);
    await rekey(key);
    assert.equal(announcedKinds(one).filter(each => each.endsWith('rekeyed')).length, 1);
  });
});

test('the record remembers the last eight operations, and its changes name theirs', async () => {
  const { one, broker } = await openTwo();
  for (let n = 1; n <= 10; n++) await decide(one.roll, n % 2 === 1 ? 'approve' : 'reject', n);
  const { Operations } = JSON.parse(stored(broker, 'node-1')).Muster;
  assert.deepEqual(
    Operations,
    [3, 4, 5, 6, 7, 8, 9, 10].map(n => `${n % 2 === 1 ? 'approved' : 'rejected'} ${operation(n)}`),
  );
  assert.equal(one.announced.at(-1)?.change.Operation, operation(10));
});
