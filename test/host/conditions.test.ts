// Tests that conditions are raised when something is wrong, stay while it lasts, and do not come and go all the time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ConditionState,
  type ConditionType,
  noConditions,
  type Observation,
  updateConditions,
} from '../../agent/host/conditions.ts';

const gib = 2 ** 30;
const start = Date.parse('2026-01-01T00:00:00Z');

/** Applies observations half a minute apart. Returns the conditions after each of them, and the last state. */
function observe(observations: Partial<Observation>[]): { types: ConditionType[][]; last: ConditionState } {
  let state = noConditions;
  const types = observations.map((observation, index) => {
    const monotonicMs = index * 30_000;
    state = updateConditions(state, { monotonicMs, now: new Date(start + monotonicMs), ...observation });
    return state.conditions.map(({ type }) => type);
  });
  return { types, last: state };
}
const memory = (percent: number) => ({ memory: { total: 100 * gib, available: percent * gib } });
const disk = (available: number, total = 1000) => ({
  disk: { total: total * gib, available: available * gib },
});

test('a healthy node has no condition', () => {
  assert.deepEqual(
    observe([
      {
        unresponsive: [],
        missingGpus: [],
        mismatches: [],
        ...disk(500),
        ...memory(50),
        inventoryAgeMs: 3_600_000,
      },
    ]).types,
    [[]],
  );
});

test('GpuDriverUnresponsive is raised at once and cleared after two answers', () => {
  const hung = { unresponsive: ['nvml did not answer within 15 s'] };
  const { types, last } = observe([
    hung,
    hung,
    { unresponsive: [] },
    hung,
    { unresponsive: [] },
    { unresponsive: [] },
  ]);
  const raised = ['GpuDriverUnresponsive'];
  assert.deepEqual(types, [raised, raised, raised, raised, raised, []]);
  assert.deepEqual(last.conditions, []);
});

test('the reason is the current one, and the time is that of the beginning', () => {
  const { last } = observe([
    { missingGpus: ['one is gone'] },
    { missingGpus: ['one is gone', 'another is gone'] },
  ]);
  assert.deepEqual(last.conditions, [
    { type: 'GpuMissing', reason: 'one is gone; another is gone', since: '2026-01-01T00:00:00.000Z' },
  ]);
});

test('a reason is short enough for a message, however much is wrong', () => {
  const { last } = observe([
    { missingGpus: Array.from({ length: 64 }, (_, index) => `GPU ${index} of some name is gone`) },
  ]);
  assert.equal(last.conditions[0]?.reason.length, 500);
});

test('a missing observation changes no condition', () => {
  const { types } = observe([{ missingGpus: ['gone'] }, {}, {}, { missingGpus: [] }, {}]);
  assert.deepEqual(types, [['GpuMissing'], ['GpuMissing'], ['GpuMissing'], [], []]);
});

test('HardwareMismatch is raised for declared hardware that is missing', () => {
  const { last } = observe([{ mismatches: ['CPUs: 128 declared, 64 found'] }]);
  assert.deepEqual(
    last.conditions.map(({ type, reason }) => [type, reason]),
    [['HardwareMismatch', 'CPUs: 128 declared, 64 found']],
  );
});

test('DiskAlmostFull is raised below a tenth or 10 GiB, and cleared a quarter above that', () => {
  const raised = ['DiskAlmostFull'];
  assert.deepEqual(observe([disk(11), disk(9), disk(12), disk(12.6)]).types, [[], raised, raised, []]);
  assert.deepEqual(observe([disk(2.1, 20), disk(1.9, 20), disk(2.4, 20), disk(2.6, 20)]).types, [
    [],
    raised,
    raised,
    [],
  ]);
  assert.equal(
    observe([disk(9)]).last.conditions[0]?.reason,
    'less than 10 GiB of 1000 GiB is left where the data folder is',
  );
  assert.equal(
    observe([disk(0.01, 0.25)]).last.conditions[0]?.reason,
    'less than 26 MiB of 256 MiB is left where the data folder is',
  );
});

test('MemoryPressure is raised after two low observations, and cleared after two that are well above', () => {
  const raised = ['MemoryPressure'];
  assert.deepEqual(observe([memory(4), memory(6), memory(4), memory(4)]).types, [[], [], [], raised]);
  assert.deepEqual(
    observe([memory(4), memory(4), memory(9), memory(11), memory(9), memory(11), memory(11)]).types,
    [[], raised, raised, raised, raised, raised, []],
  );
});

test('ClockJumped is raised for ten minutes when the wall clock jumps', () => {
  const at = (minutes: number, wallMinutes = minutes): Partial<Observation> => ({
    monotonicMs: minutes * 60_000,
    now: new Date(start + wallMinutes * 60_000),
  });
  const { types } = observe([at(0), at(1), at(2, 62), at(5, 65), at(11.9, 71.9), at(12, 72), at(13, 73)]);
  const raised = ['ClockJumped'];
  assert.deepEqual(types, [[], [], raised, raised, raised, [], []]);
  const reason = (by: number) => observe([at(0), at(1, 1 + by)]).last.conditions[0]?.reason;
  assert.equal(reason(60), 'the clock went 3600 s forwards: it was set, or the machine slept');
  assert.equal(reason(-2), 'the clock was set 120 s back');
  assert.equal(reason(0.05), undefined);
});

test('InventoryStale is raised when two inventories were missed', () => {
  const age = (minutes: number) => ({ inventoryAgeMs: minutes * 60_000 });
  assert.deepEqual(observe([age(0), age(149), age(151), age(200), age(1)]).types, [
    [],
    [],
    ['InventoryStale'],
    ['InventoryStale'],
    [],
  ]);
  assert.equal(
    observe([{ inventoryAgeMs: Number.POSITIVE_INFINITY }]).last.conditions[0]?.reason,
    'the inventory could not be taken',
  );
});

test('a reason contains no number that changes while the condition stays', () => {
  const reasons = (values: Partial<Observation>[]) =>
    values.map((_, index) => observe(values.slice(0, index + 1)).last.conditions.map(({ reason }) => reason));
  const falling = reasons([disk(9), disk(8.5), disk(3), disk(0)]);
  assert.equal(new Set(falling.map(String)).size, 1);
});

test('for any observations, each condition is there once, and equal observations lead to a stable state', () => {
  const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const amount = fc.record({ total: fc.nat(1000), available: fc.nat(1000) });
  const sentences = fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 });
  const observation = fc.record({
    unresponsive: optional(sentences),
    missingGpus: optional(sentences),
    mismatches: optional(sentences),
    disk: optional(amount),
    memory: optional(amount),
    inventoryAgeMs: optional(fc.oneof(fc.nat(20_000_000), fc.constant(Number.POSITIVE_INFINITY))),
  });
  fc.assert(
    fc.property(fc.array(observation, { minLength: 1, maxLength: 20 }), observations => {
      const { types } = observe(observations);
      for (const raised of types) assert.equal(new Set(raised).size, raised.length);
      const last = observations.at(-1) ?? {};
      const settled = observe([...observations, last, last]).types.at(-1);
      const later = observe([...observations, last, last, last, last]).types.at(-1);
      assert.deepEqual(later, settled);
    }),
  );
});

test('an update does not change the previous state', () => {
  const before = observe([{ missingGpus: ['gone'] }, memory(4)]).last;
  const copy = structuredClone(before);
  updateConditions(before, {
    monotonicMs: 90_000,
    now: new Date(start + 90_000),
    missingGpus: [],
    ...memory(4),
  });
  assert.deepEqual(before, copy);
});
