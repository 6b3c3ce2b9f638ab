// The states of a node over time, as its events tell them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type StateEvent, shareOfStates, stretchesOf } from '../../../agent/web/node/stretches.ts';

function event(at: number, kind: string, previous: object, current: object): StateEvent {
  return { time: new Date(at).toISOString(), type: `org.muster.node.${kind}`, data: { previous, current } };
}

const life = [
  event(1_000, 'registered', {}, { membership: 'PENDING' }),
  event(2_000, 'healthy', { health: 'UNKNOWN' }, { health: 'HEALTHY' }),
  event(3_000, 'approved', { membership: 'PENDING' }, { membership: 'APPROVED' }),
  event(6_000, 'unhealthy', { health: 'HEALTHY' }, { health: 'UNHEALTHY' }),
  event(8_000, 'deleted', { membership: 'APPROVED' }, {}),
] as StateEvent[];

test('each change ends one stretch and begins the next', () => {
  assert.deepEqual(stretchesOf(life, 'membership', 0, 10_000), [
    { from: 0, to: 1_000, state: '' },
    { from: 1_000, to: 3_000, state: 'PENDING' },
    { from: 3_000, to: 8_000, state: 'APPROVED' },
    { from: 8_000, to: 10_000, state: '' },
  ]);
  assert.deepEqual(stretchesOf(life, 'health', 0, 10_000), [
    { from: 0, to: 1_000, state: '' },
    { from: 1_000, to: 2_000, state: 'UNKNOWN' },
    { from: 2_000, to: 6_000, state: 'HEALTHY' },
    { from: 6_000, to: 8_000, state: 'UNHEALTHY' },
    { from: 8_000, to: 10_000, state: '' },
  ]);
});

test('a stretch that began before is cut where the time begins', () => {
  assert.deepEqual(stretchesOf(life, 'membership', 4_000, 5_000), [
    { from: 4_000, to: 5_000, state: 'APPROVED' },
  ]);
});

test('without events nothing is known of the whole time', () => {
  assert.deepEqual(stretchesOf([], 'health', 0, 10), [{ from: 0, to: 10, state: '' }]);
  assert.deepEqual(shareOfStates([{ from: 0, to: 10, state: '' }]), [['', 1]]);
});

test('without events a state is the present one since the node registered', () => {
  const present = { state: 'HEALTHY', since: 4 };
  const expected = [
    { from: 0, to: 4, state: '' },
    { from: 4, to: 10, state: 'HEALTHY' },
  ];
  assert.deepEqual(stretchesOf([], 'health', 0, 10, present), expected);
  assert.deepEqual(stretchesOf(life, 'health', 9_000, 9_999, present), [
    { from: 9_000, to: 9_999, state: '' },
  ]);
});

test('an event that cannot be read changes nothing', () => {
  const odd = [
    { time: 'no time', type: '', data: { current: { health: 'HEALTHY' } } },
    { time: new Date(1).toISOString(), type: '', data: {} },
  ] as StateEvent[];
  assert.deepEqual(stretchesOf(odd, 'health', 0, 10), [{ from: 0, to: 10, state: '' }]);
});

test('whatever the events are, the stretches fill the time without gaps, and no two neighbours are the same', () => {
  const anyEvent = fc.record({
    time: fc.oneof(
      fc.integer({ min: -50, max: 150 }).map(at => new Date(at).toISOString()),
      fc.constant('never'),
    ),
    type: fc.constantFrom('org.muster.node.healthy', 'org.muster.node.deleted'),
    data: fc.record(
      {
        previous: fc.record({ health: fc.constantFrom('HEALTHY', 'UNKNOWN') }, { requiredKeys: [] }),
        current: fc.record({ health: fc.constantFrom('HEALTHY', 'UNKNOWN') }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    ),
  });
  fc.assert(
    fc.property(fc.array(anyEvent), events => {
      const stretches = stretchesOf(events as StateEvent[], 'health', 0, 100);
      assert.equal(stretches[0]?.from, 0);
      assert.equal(stretches.at(-1)?.to, 100);
      for (const [index, stretch] of stretches.entries()) {
        assert.ok(stretch.to > stretch.from);
        const next = stretches[index + 1];
        if (next) assert.deepEqual([next.from, next.state === stretch.state], [stretch.to, false]);
      }
      const sum = shareOfStates(stretches).reduce((total, [, share]) => total + share, 0);
      assert.ok(Math.abs(sum - 1) < 1e-9);
    }),
  );
});
