// The lines of the list: who waits for approval comes first, then the groups, each in the order that was chosen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RollRow } from '../../../agent/protocol/roll-rows.ts';
import { arrange, compareNames } from '../../../agent/web/roll/arrange.ts';
import { type Order, orders } from '../../../agent/web/roll/choice.ts';
import { countsOf } from '../../../agent/web/roll/counts.ts';
import { offsetsOf, windowOf } from '../../../agent/web/roll/window.ts';
import { rollRow } from '../../support/roll-rows.ts';

const rack = (value: string): Partial<RollRow> => ({
  labels: [{ key: 'rack', value, from: 'operator', by: 'ada' }],
});
const rows = [
  rollRow('n-1', { ...rack('b10'), heardAt: 5, available: { cpu: 1, memory: 3, disk: 0, gpu: 0 } }),
  rollRow('n-2', { approval: 'PENDING', heardAt: 9 }),
  rollRow('n-9', { ...rack('b9'), heardAt: 7, available: { cpu: 8, memory: 2, disk: 0, gpu: 0 } }),
  rollRow('n-10', { heardAt: null, status: 'UNKNOWN' }),
];

interface Asked {
  order?: Order;
  isReverse?: boolean;
  group?: string;
  closed?: string[];
}

/** Returns the lines as texts: a heading between brackets, a node by its id. */
function lines({ order = 'id', isReverse = false, group = '', closed = [] }: Asked, of = rows): string[] {
  return arrange(of, { order, isReverse, group }, new Set(closed)).map(item =>
    item.kind === 'node' ? item.row.id : `[${item.title}: ${item.rows.length}]`,
  );
}

test('who waits for approval comes first', () => {
  assert.deepEqual(lines({}), ['[Waiting for approval: 1]', 'n-2', '[Decided: 3]', 'n-1', 'n-9', 'n-10']);
  assert.deepEqual(lines({ order: 'heard' }).slice(2), ['[Decided: 3]', 'n-9', 'n-1', 'n-10']);
});

test('a list in which nobody waits has no headings', () => {
  const decided = rows.filter(({ approval }) => approval !== 'PENDING');
  assert.deepEqual(lines({}, decided), ['n-1', 'n-9', 'n-10']);
  assert.deepEqual(lines({ isReverse: true }, decided), ['n-10', 'n-9', 'n-1']);
  assert.deepEqual(lines({ order: 'available_memory' }, decided), ['n-10', 'n-1', 'n-9']);
  assert.deepEqual(lines({ order: 'status' }, decided), ['n-1', 'n-9', 'n-10']);
});

test('groups are sorted as people count, and those without the label are last', () => {
  assert.deepEqual(lines({ group: 'rack' }).slice(2), [
    '[rack=b9: 1]',
    'n-9',
    '[rack=b10: 1]',
    'n-1',
    '[no label rack: 1]',
    'n-10',
  ]);
  assert.deepEqual(lines({ group: 'rack', closed: ['=b9', ' pending'] }), [
    '[Waiting for approval: 1]',
    '[rack=b9: 1]',
    '[rack=b10: 1]',
    'n-1',
    '[no label rack: 1]',
    'n-10',
  ]);
});

test('each row is there once, whatever the order and the groups', () => {
  const row = fc.record({
    approval: fc.constantFrom('PENDING', 'APPROVED', 'REJECTED'),
    rack: fc.constantFrom('', 'a'),
  });
  fc.assert(
    fc.property(fc.array(row), fc.constantFrom(...orders), fc.boolean(), (made, order, isReverse) => {
      const of = made.map(({ approval, rack: value }, i) =>
        rollRow(`n-${i}`, { approval: approval as RollRow['approval'], ...(value ? rack(value) : {}) }),
      );
      const shown = lines({ order, isReverse, group: 'rack' }, of).filter(line => !line.startsWith('['));
      assert.deepEqual(shown.sort(), of.map(({ id }) => id).sort());
    }),
  );
});

test('names are compared as people count', () => {
  assert.deepEqual(
    ['n-10', 'n-9', 'N-9', 'a'].sort(compareNames),
    ['a', 'n-9', 'N-9', 'n-10'].sort(compareNames),
  );
  assert.ok(compareNames('n-9', 'n-10') < 0);
  assert.notEqual(compareNames('n-1', 'n-01'), 0);
});

test('counts are of what asks for something', () => {
  const counts = Object.fromEntries(
    countsOf([...rows, rollRow('head', { type: 'Requester', status: 'UNKNOWN' })]).map(({ title, nodes }) => [
      title,
      nodes,
    ]),
  );
  assert.deepEqual(counts, { All: 5, PENDING: 1, UNKNOWN: 1, HEALTHY: 2 });
  assert.deepEqual(
    countsOf([]).map(({ title }) => title),
    ['All'],
  );
});

test('the lines in sight are those that a look at all of them finds', () => {
  const place = fc.integer({ min: -500, max: 5000 });
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 80 })), place, fc.nat(900), (heights, from, height) => {
      const offsets = offsetsOf(heights);
      const { first, end } = windowOf(offsets, from, from + height, 2);
      assert.ok(first >= 0 && end <= heights.length);
      for (const [index, top] of offsets.slice(0, -1).entries()) {
        const isInSight = top <= from + height && top + (heights[index] ?? 0) > from;
        if (isInSight) assert.ok(index >= first && index < end);
      }
      assert.ok(end - first <= height + 6);
    }),
  );
});
