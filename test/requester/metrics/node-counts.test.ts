// Tests the counts of nodes: each compute node counts once, and there are few figures whatever nodes say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { healths, type Membership, memberships } from '../../../agent/protocol/node-state.ts';
import { countNodes } from '../../../agent/requester/metrics/node-counts.ts';
import { computeInfo, record, requesterNode } from '../samples.ts';

const Since = '2026-01-01T00:00:00Z';

function node(id: string, membership: Membership, conditions: readonly string[] = []) {
  const Conditions = conditions.map(Type => ({ Type, Reason: '', Since }));
  return record(id, membership, { Info: { ...computeInfo(id), Conditions } });
}

test('nodes count by membership and health, and a requester is none of them', () => {
  const records = [
    node('a', 'APPROVED'),
    node('b', 'APPROVED'),
    node('c', 'PENDING'),
    record('r', 'APPROVED', { Info: requesterNode('r') }),
  ];
  const { nodes } = countNodes(records, id => (id === 'b' ? 'UNKNOWN' : 'HEALTHY'));
  assert.equal(nodes.length, memberships.length * healths.length);
  assert.deepEqual(
    nodes.filter(({ count }) => count > 0),
    [
      { membership: 'PENDING', health: 'HEALTHY', count: 1 },
      { membership: 'APPROVED', health: 'HEALTHY', count: 1 },
      { membership: 'APPROVED', health: 'UNKNOWN', count: 1 },
    ],
  );
});

test('only approved nodes count as cordoned', () => {
  const Muster = { Cordon: { Reason: 'disk', Actor: 'ada', At: Since } };
  const records = [
    record('a', 'APPROVED', { Muster }),
    record('b', 'REJECTED', { Muster }),
    record('c', 'APPROVED'),
  ];
  assert.equal(countNodes(records, () => 'HEALTHY').cordoned, 1);
});

test('only conditions of approved nodes count, once for each node', () => {
  const records = [node('a', 'APPROVED', ['GpuMissing', 'GpuMissing']), node('b', 'PENDING', ['GpuMissing'])];
  assert.deepEqual(countNodes(records, () => 'HEALTHY').conditions, [{ condition: 'GpuMissing', count: 1 }]);
});

test('whatever nodes call their conditions, there are few figures and none is lost', () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.string(), { maxLength: 32 }), { maxLength: 20 }), lists => {
      const records = lists.map((list, at) => node(`n-${at}`, 'APPROVED', list));
      const { conditions, nodes } = countNodes(records, () => 'HEALTHY');
      assert.ok(conditions.length <= 33);
      assert.equal(
        conditions.reduce((sum, { count }) => sum + count, 0),
        lists.flat().length,
      );
      assert.equal(
        nodes.reduce((sum, { count }) => sum + count, 0),
        lists.length,
      );
    }),
  );
});
