// Tests how a fact is made of claims: the best source counts, and the other claims are kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Claim, settle } from '../../../agent/host/values/fact.ts';

const claim = <T>(source: string, value: T | undefined, more: Partial<Claim<T>> = {}): Claim<T> => ({
  source,
  value,
  took: 1,
  readAt: '2026-01-01T00:00:00.000Z',
  ...more,
});
const mib = (value: number) => `${value} MiB`;

test('the first claim with a value is used, with its time', () => {
  const fact = settle([
    claim('nvml', undefined),
    claim('nvidia-smi', 24_564, { took: 812, readAt: '2026-01-02T00:00:00.000Z' }),
  ]);
  assert.deepEqual(fact, {
    value: 24_564,
    source: 'nvidia-smi',
    took: 812,
    readAt: '2026-01-02T00:00:00.000Z',
    others: [],
  });
});

test('claims that agree are listed without a disagreement', () => {
  const fact = settle([claim('a', 5), claim('b', 5)]);
  assert.deepEqual(fact?.others, [{ source: 'b', value: 5 }]);
  assert.equal(fact?.disagreement, undefined);
});

test('a disagreement lists all values', () => {
  const fact = settle([claim('nvml', 24_576), claim('PCI BAR', 256, { hint: true })], { format: mib });
  assert.equal(fact?.disagreement, 'nvml: 24576 MiB; PCI BAR: 256 MiB; using nvml');
});

test('the caller decides which values count as equal', () => {
  const near = (used: number, other: number) => Math.abs(used - other) <= 1;
  assert.equal(settle([claim('a', 5), claim('b', 6)], { agree: near })?.disagreement, undefined);
  assert.match(settle([claim('a', 5), claim('b', 7)], { agree: near })?.disagreement ?? '', /b: 7/);
});

test('a hint alone makes no fact', () => {
  assert.equal(settle([claim('PCI BAR', 256, { hint: true })]), undefined);
  assert.equal(settle([claim('PCI BAR', 256, { hint: true }), claim('amdgpu', 8176)])?.value, 8176);
});

test('no claim is lost and none is invented', () => {
  const claims = fc.array(
    fc.record({
      source: fc.string(),
      value: fc.option(fc.integer(), { nil: undefined }),
      hint: fc.boolean(),
    }),
  );
  fc.assert(
    fc.property(claims, all => {
      const made = all.map(({ source, value, hint }) => claim(source, value, hint ? { hint } : {}));
      const fact = settle(made);
      const said = made.filter(({ value }) => value !== undefined);
      assert.equal(
        fact === undefined,
        said.every(({ hint }) => hint),
      );
      if (!fact) return;
      assert.equal(fact.value, said.find(({ hint }) => !hint)?.value);
      assert.equal(fact.others.length, said.length - 1);
      assert.equal(
        fact.disagreement === undefined,
        said.every(({ value }) => value === fact.value),
      );
    }),
  );
});
