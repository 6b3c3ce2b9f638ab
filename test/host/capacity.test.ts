// Tests the offered resources and the free part of them: rounded as in Bacalhau, and never more than the machine has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Allocation, availableCapacity, offeredCapacity } from '../../agent/host/capacity.ts';
import type { Sample } from '../../agent/host/sample/sampler.ts';

const gib = 2 ** 30;
// gpu/offer.test.ts tests the GPUs.
const gpu = { percent: 100 };
const gpus: never[] = [];
const percent = (percent: number) => ({ cpu: { percent }, memory: { percent }, disk: { percent }, gpu });
const sample = (more: Partial<Sample>): Sample => ({ memoryBytes: 0, load: [0, 0, 0], ...more });

test('a share of CPUs may be a fraction, and a share of bytes is rounded down', () => {
  assert.deepEqual(offeredCapacity(percent(80), { cpus: 8, memoryBytes: 1001, diskBytes: 999, gpus }), {
    CPU: 6.4,
    Memory: 800,
    Disk: 799,
  });
});

test('an amount is offered unchanged, but never more than the machine has', () => {
  const allocated = { cpu: { amount: 0.5 }, memory: { amount: 64 * gib }, disk: { amount: 10.9 }, gpu };
  const machine = { cpus: 2, memoryBytes: 4 * gib, diskBytes: 100 * gib, gpus };
  assert.deepEqual(offeredCapacity(allocated, machine), { CPU: 0.5, Memory: 4 * gib, Disk: 10 });
});

test('an offer of nothing is an empty object', () => {
  assert.deepEqual(offeredCapacity(percent(0), { cpus: 8, memoryBytes: gib, diskBytes: gib, gpus }), {});
});

test('the available amount is the offer, or the measured free amount if that is less', () => {
  const offered = { CPU: 6.4, Memory: 800, Disk: 700 };
  assert.deepEqual(
    availableCapacity(offered, sample({ idleCpus: 1.239, memoryBytes: 300, diskBytes: 9000 })),
    {
      CPU: 1.23,
      Memory: 300,
      Disk: 700,
    },
  );
  assert.deepEqual(availableCapacity(offered, sample({ idleCpus: 0, memoryBytes: 0, diskBytes: 0 })), {});
});

test('without a measurement the whole offer is available', () => {
  assert.deepEqual(availableCapacity({ CPU: 2, Disk: 5 }, sample({ memoryBytes: 7 })), { CPU: 2, Disk: 5 });
});

test('for any machine and settings, available ≤ offered ≤ existing, in whole bytes', () => {
  const allocation: fc.Arbitrary<Allocation> = fc.oneof(
    fc.record({ percent: fc.double({ min: 0, max: 100, noNaN: true }) }),
    fc.record({ amount: fc.double({ min: 0, max: 2 ** 53, noNaN: true }) }),
  );
  const bytes = fc.nat({ max: 2 ** 50 });
  const cpus = fc.double({ min: 0, max: 1024, noNaN: true });
  fc.assert(
    fc.property(
      fc.record({ cpu: allocation, memory: allocation, disk: allocation, gpu: allocation }),
      fc.record({ cpus, memoryBytes: bytes, diskBytes: bytes, gpus: fc.constant(gpus) }),
      fc.record({
        idleCpus: fc.option(cpus, { nil: undefined }),
        memoryBytes: bytes,
        diskBytes: fc.option(bytes, { nil: undefined }),
      }),
      (allocated, hardware, measured) => {
        const offered = offeredCapacity(allocated, hardware);
        const available = availableCapacity(offered, sample(measured));
        assert.ok((offered.CPU ?? 0) <= hardware.cpus);
        for (const name of ['Memory', 'Disk'] as const) {
          assert.ok(Number.isInteger(offered[name] ?? 0) && Number.isInteger(available[name] ?? 0));
        }
        assert.ok((offered.Memory ?? 0) <= hardware.memoryBytes && (offered.Disk ?? 0) <= hardware.diskBytes);
        for (const name of ['CPU', 'Memory', 'Disk'] as const) {
          assert.ok((available[name] ?? 0) <= (offered[name] ?? 0));
          assert.notEqual(available[name], 0);
        }
      },
    ),
  );
});
