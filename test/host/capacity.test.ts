// What is offered and what of it is free: Bacalhau's rounding, and never more than there is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Allocation, availableCapacity, offeredCapacity } from '../../agent/host/capacity.ts';
import type { Sample } from '../../agent/host/sample/sampler.ts';

const gib = 2 ** 30;
// The GPUs have tests of their own, see gpu/offer.test.ts.
const gpu = { percent: 100 };
const gpus: never[] = [];
const percent = (percent: number) => ({ cpu: { percent }, memory: { percent }, disk: { percent }, gpu });
const sample = (more: Partial<Sample>): Sample => ({ memory: 0, load: [0, 0, 0], ...more });

test('a share: CPU stays fractional, bytes are truncated', () => {
  assert.deepEqual(offeredCapacity(percent(80), { cpu: 8, memory: 1001, disk: 999, gpus }), {
    CPU: 6.4,
    Memory: 800,
    Disk: 799,
  });
});

test('an amount: as it stands, but not more than the machine has', () => {
  const allocated = { cpu: { amount: 0.5 }, memory: { amount: 64 * gib }, disk: { amount: 10.9 }, gpu };
  const machine = { cpu: 2, memory: 4 * gib, disk: 100 * gib, gpus };
  assert.deepEqual(offeredCapacity(allocated, machine), { CPU: 0.5, Memory: 4 * gib, Disk: 10 });
});

test('nothing offered is nothing said', () => {
  assert.deepEqual(offeredCapacity(percent(0), { cpu: 8, memory: gib, disk: gib, gpus }), {});
});

test('available: the offer, or what measurement finds free of it', () => {
  const offered = { CPU: 6.4, Memory: 800, Disk: 700 };
  assert.deepEqual(availableCapacity(offered, sample({ cpu: 1.239, memory: 300, disk: 9000 })), {
    CPU: 1.23,
    Memory: 300,
    Disk: 700,
  });
  assert.deepEqual(availableCapacity(offered, sample({ cpu: 0, memory: 0, disk: 0 })), {});
});

test('available: what was not measured is not held against the offer', () => {
  assert.deepEqual(availableCapacity({ CPU: 2, Disk: 5 }, sample({ memory: 7 })), { CPU: 2, Disk: 5 });
});

test('whatever the machine and the settings: available ≤ offered ≤ there, in whole bytes', () => {
  const allocation: fc.Arbitrary<Allocation> = fc.oneof(
    fc.record({ percent: fc.double({ min: 0, max: 100, noNaN: true }) }),
    fc.record({ amount: fc.double({ min: 0, max: 2 ** 53, noNaN: true }) }),
  );
  const bytes = fc.nat({ max: 2 ** 50 });
  const cpus = fc.double({ min: 0, max: 1024, noNaN: true });
  fc.assert(
    fc.property(
      fc.record({ cpu: allocation, memory: allocation, disk: allocation, gpu: allocation }),
      fc.record({ cpu: cpus, memory: bytes, disk: bytes, gpus: fc.constant(gpus) }),
      fc.record({
        cpu: fc.option(cpus, { nil: undefined }),
        memory: bytes,
        disk: fc.option(bytes, { nil: undefined }),
      }),
      (allocated, machine, measured) => {
        const offered = offeredCapacity(allocated, machine);
        const available = availableCapacity(offered, sample(measured));
        assert.ok((offered.CPU ?? 0) <= machine.cpu);
        for (const name of ['Memory', 'Disk'] as const) {
          assert.ok(Number.isInteger(offered[name] ?? 0) && Number.isInteger(available[name] ?? 0));
        }
        assert.ok((offered.Memory ?? 0) <= machine.memory && (offered.Disk ?? 0) <= machine.disk);
        for (const name of ['CPU', 'Memory', 'Disk'] as const) {
          assert.ok((available[name] ?? 0) <= (offered[name] ?? 0));
          assert.notEqual(available[name], 0);
        }
      },
    ),
  );
});
