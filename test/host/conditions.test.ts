// Conditions come up when something is wrong, stay while it lasts, and do not go back and forth.
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

/** Judges observations half a minute apart, and tells which conditions stand after each. */
function story(observations: Partial<Observation>[]): { types: ConditionType[][]; last: ConditionState } {
  let judgement = noConditions;
  const types = observations.map((seen, index) => {
    const monotonic = index * 30_000;
    judgement = updateConditions(judgement, { monotonic, now: new Date(start + monotonic), ...seen });
    return judgement.conditions.map(({ type }) => type);
  });
  return { types, last: judgement };
}
const memory = (percent: number) => ({ memory: { total: 100 * gib, available: percent * gib } });
const disk = (available: number, total = 1000) => ({
  disk: { total: total * gib, available: available * gib },
});

test('a healthy node has none', () => {
  assert.deepEqual(
    story([
      {
        unresponsive: [],
        missingGpus: [],
        mismatches: [],
        ...disk(500),
        ...memory(50),
        inventoryAge: 3_600_000,
      },
    ]).types,
    [[]],
  );
});

test('GpuDriverUnresponsive: at once, until it answered twice', () => {
  const hung = { unresponsive: ['nvml did not answer within 15 s'] };
  const { types, last } = story([
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

test('the reason is that of now, the time that of the beginning', () => {
  const { last } = story([
    { missingGpus: ['one is gone'] },
    { missingGpus: ['one is gone', 'another is gone'] },
  ]);
  assert.deepEqual(last.conditions, [
    { type: 'GpuMissing', reason: 'one is gone; another is gone', since: '2026-01-01T00:00:00.000Z' },
  ]);
});

test('a reason fits into a message, however much is wrong', () => {
  const { last } = story([
    { missingGpus: Array.from({ length: 64 }, (_, index) => `GPU ${index} of some name is gone`) },
  ]);
  assert.equal(last.conditions[0]?.reason.length, 500);
});

test('what was not looked at changes nothing', () => {
  const { types } = story([{ missingGpus: ['gone'] }, {}, {}, { missingGpus: [] }, {}]);
  assert.deepEqual(types, [['GpuMissing'], ['GpuMissing'], ['GpuMissing'], [], []]);
});

test('HardwareMismatch is what was declared and is not there', () => {
  const { last } = story([{ mismatches: ['CPUs: 128 declared, 64 found'] }]);
  assert.deepEqual(
    last.conditions.map(({ type, reason }) => [type, reason]),
    [['HardwareMismatch', 'CPUs: 128 declared, 64 found']],
  );
});

test('DiskAlmostFull: a tenth, or 10 GiB of a large one, and a quarter more before it is well again', () => {
  const raised = ['DiskAlmostFull'];
  assert.deepEqual(story([disk(11), disk(9), disk(12), disk(12.6)]).types, [[], raised, raised, []]);
  assert.deepEqual(story([disk(2.1, 20), disk(1.9, 20), disk(2.4, 20), disk(2.6, 20)]).types, [
    [],
    raised,
    raised,
    [],
  ]);
  assert.equal(
    story([disk(9)]).last.conditions[0]?.reason,
    'less than 10 GiB of 1000 GiB is left where the data folder is',
  );
  assert.equal(
    story([disk(0.01, 0.25)]).last.conditions[0]?.reason,
    'less than 26 MiB of 256 MiB is left where the data folder is',
  );
});

test('MemoryPressure: twice in a row, and twice well above before it is over', () => {
  const raised = ['MemoryPressure'];
  assert.deepEqual(story([memory(4), memory(6), memory(4), memory(4)]).types, [[], [], [], raised]);
  assert.deepEqual(
    story([memory(4), memory(4), memory(9), memory(11), memory(9), memory(11), memory(11)]).types,
    [[], raised, raised, raised, raised, raised, []],
  );
});

test('ClockJumped: for ten minutes after the wall clock left the monotonic one', () => {
  const at = (minutes: number, wallMinutes = minutes): Partial<Observation> => ({
    monotonic: minutes * 60_000,
    now: new Date(start + wallMinutes * 60_000),
  });
  const { types } = story([at(0), at(1), at(2, 62), at(5, 65), at(11.9, 71.9), at(12, 72), at(13, 73)]);
  const raised = ['ClockJumped'];
  assert.deepEqual(types, [[], [], raised, raised, raised, [], []]);
  const reason = (by: number) => story([at(0), at(1, 1 + by)]).last.conditions[0]?.reason;
  assert.equal(reason(60), 'the clock went 3600 s forwards: it was set, or the machine slept');
  assert.equal(reason(-2), 'the clock was set 120 s back');
  assert.equal(reason(0.05), undefined);
});

test('InventoryStale: when two were missed', () => {
  const age = (minutes: number) => ({ inventoryAge: minutes * 60_000 });
  assert.deepEqual(story([age(0), age(149), age(151), age(200), age(1)]).types, [
    [],
    [],
    ['InventoryStale'],
    ['InventoryStale'],
    [],
  ]);
  assert.equal(
    story([{ inventoryAge: Number.POSITIVE_INFINITY }]).last.conditions[0]?.reason,
    'the inventory could not be taken',
  );
});

test('a reason holds no figure that moves while nothing changes', () => {
  const reasons = (values: Partial<Observation>[]) =>
    values.map((_, index) => story(values.slice(0, index + 1)).last.conditions.map(({ reason }) => reason));
  const falling = reasons([disk(9), disk(8.5), disk(3), disk(0)]);
  assert.equal(new Set(falling.map(String)).size, 1);
});

test('whatever is seen: each condition once, from its first time on, and a steady state stays as it is', () => {
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const amount = fc.record({ total: fc.nat(1000), available: fc.nat(1000) });
  const sentences = fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 });
  const observation = fc.record({
    unresponsive: maybe(sentences),
    missingGpus: maybe(sentences),
    mismatches: maybe(sentences),
    disk: maybe(amount),
    memory: maybe(amount),
    inventoryAge: maybe(fc.oneof(fc.nat(20_000_000), fc.constant(Number.POSITIVE_INFINITY))),
  });
  fc.assert(
    fc.property(fc.array(observation, { minLength: 1, maxLength: 20 }), observations => {
      const { types } = story(observations);
      for (const standing of types) assert.equal(new Set(standing).size, standing.length);
      const last = observations.at(-1) ?? {};
      const settled = story([...observations, last, last]).types.at(-1);
      const later = story([...observations, last, last, last, last]).types.at(-1);
      assert.deepEqual(later, settled);
    }),
  );
});

test('judging changes nothing that was judged before', () => {
  const before = story([{ missingGpus: ['gone'] }, memory(4)]).last;
  const copy = structuredClone(before);
  updateConditions(before, {
    monotonic: 90_000,
    now: new Date(start + 90_000),
    missingGpus: [],
    ...memory(4),
  });
  assert.deepEqual(before, copy);
});
