// Tests the GPUs that a node offers: how many, how the protocol describes them, and their labels.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { labels as configurable } from '../../../agent/config/node.ts';
import { type Allocation, availableCapacity, offeredCapacity } from '../../../agent/host/capacity.ts';
import type { ReportedGpu } from '../../../agent/host/gpu/gpu.ts';
import { gpuLabels } from '../../../agent/host/gpu/gpu-labels.ts';
import { merge } from '../../../agent/host/gpu/merge.ts';
import { gpuDrivers, gpuUsage, isFree, usableGpus } from '../../../agent/host/gpu/offer.ts';
import { nodeLabels } from '../../../agent/host/labels.ts';
import type { Gpu } from '../../../agent/protocol/resources.ts';

const gpu = (Index: number, more: Partial<Gpu> = {}): Gpu => ({
  Index,
  Name: 'Tesla T4',
  Vendor: 'NVIDIA',
  Memory: 15_360,
  PCIAddress: '',
  ...more,
});
const gpus = (count: number) => Array.from({ length: count }, (_, index) => gpu(index));
const nothing = { cpu: { percent: 0 }, memory: { percent: 0 }, disk: { percent: 0 } };
const offered = (allocation: Allocation, there: number) =>
  offeredCapacity(
    { ...nothing, gpu: allocation },
    {
      cpus: 1,
      memoryBytes: 1,
      diskBytes: 1,
      gpus: gpus(there),
    },
  );

const merged = (sightings: ReportedGpu[]) =>
  merge([
    {
      source: 'amdgpu',
      took: 0,
      readAt: '2026-01-01T00:00:00.000Z',
      sightings: sightings.map(gpu => ({ vendor: 'AMD/ATI', ...gpu })),
    },
  ]);

test('all GPUs are offered with their details', () => {
  assert.deepEqual(offered({ percent: 100 }, 2), { GPU: 2, GPUs: gpus(2) });
  assert.deepEqual(offered({ percent: 100 }, 0), {});
});

test('a share is rounded down, but is at least one GPU', () => {
  assert.equal(offered({ percent: 70 }, 3).GPU, 2);
  assert.equal(offered({ percent: 70 }, 1).GPU, 1);
  assert.equal(offered({ percent: 1 }, 8).GPU, 1);
  assert.equal(offered({ percent: 0 }, 8).GPU, undefined);
  assert.deepEqual(
    offered({ percent: 50 }, 4).GPUs?.map(({ Index }) => Index),
    [0, 1],
  );
});

test('an amount is never more than there are', () => {
  assert.equal(offered({ amount: 2 }, 8).GPU, 2);
  assert.equal(offered({ amount: 9 }, 8).GPU, 8);
  assert.deepEqual(offered({ amount: 0 }, 8), {});
});

test('for any setting, whole existing GPUs are offered, and their number fits the list', () => {
  const allocation = fc.oneof(
    fc.record({ percent: fc.double({ min: 0, max: 100, noNaN: true }) }),
    fc.record({ amount: fc.double({ min: 0, max: 300, noNaN: true }) }),
  );
  fc.assert(
    fc.property(allocation, fc.nat(256), (wanted, there) => {
      const { GPU = 0, GPUs = [] } = offered(wanted, there);
      assert.equal(GPU, GPUs.length);
      assert.ok(Number.isInteger(GPU) && GPU <= there);
      if ('percent' in wanted && wanted.percent > 0 && there > 0) assert.ok(GPU >= 1);
    }),
  );
});

test('only free GPUs are available', () => {
  const offer = { GPU: 3, GPUs: gpus(3) };
  const sample = { memoryBytes: 0, load: [0, 0, 0] as [number, number, number] };
  assert.deepEqual(
    availableCapacity(offer, sample, ({ Index }) => Index !== 1),
    {
      GPU: 2,
      GPUs: [gpu(0), gpu(2)],
    },
  );
  assert.deepEqual(availableCapacity(offer, sample), offer);
  assert.deepEqual(
    availableCapacity(offer, sample, () => false),
    {},
  );
});

test('labels are the same as in Bacalhau, numbered by the place in the offer', () => {
  assert.deepEqual(gpuLabels([gpu(3), gpu(7, { Name: 'Instinct MI210', Memory: 65_520 })]), {
    'GPU-0': 'Tesla-T4',
    'GPU-0-Memory': '15360-MiB',
    'GPU-1': 'Instinct-MI210',
    'GPU-1-Memory': '65520-MiB',
  });
});

test('an unknown name or memory has no label', () => {
  assert.deepEqual(gpuLabels([gpu(0, { Memory: 0 }), gpu(1, { Name: '' })]), {
    'GPU-0': 'Tesla-T4',
    'GPU-1-Memory': '15360-MiB',
  });
});

test('the labels of the maximal number of GPUs fit into a message', () => {
  const configured = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`own-${index}`, 'x']));
  const facts = { operatingSystem: 'linux', architecture: 'amd64' };
  assert.ok(Object.keys(nodeLabels('node-1', facts, configured, gpus(256))).length <= 256);
});

test('a configured label replaces the label of a GPU', () => {
  const facts = { operatingSystem: 'linux', architecture: 'amd64' };
  const labels = nodeLabels('node-1', facts, { 'GPU-0': 'mine' }, gpus(1));
  assert.deepEqual([labels['GPU-0'], labels['GPU-0-Memory']], ['mine', '15360-MiB']);
});

test('any name of a GPU gives labels that an operator could configure', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 10_000 }), fc.nat(), (Name, Memory) => {
      const labels = gpuLabels([gpu(0, { Name, Memory })]);
      assert.deepEqual(
        configurable.read(new Map(Object.entries(labels)), { folder: '', home: undefined }),
        labels,
      );
    }),
  );
});

test('only usable GPUs are described, and one without an index gets a number', () => {
  const devices = merged([
    { address: '0000:03:00.0', name: 'MI210', memory: 65_520, computes: true },
    { address: '0000:04:00.0', broken: 'gone' },
    { address: '0000:05:00.0', computes: true },
  ]);
  assert.deepEqual(usableGpus(devices), [
    { Index: 0, Name: 'MI210', Vendor: 'AMD/ATI', Memory: 65_520, PCIAddress: '0000:03:00.0' },
    { Index: 1, Name: '', Vendor: 'AMD/ATI', Memory: 0, PCIAddress: '0000:05:00.0' },
  ]);
});

test('no two GPUs of a vendor have the same number, and a busy one is not free', () => {
  const devices = merged([
    { address: '0000:03:00.0', index: 1, utilisation: 99, computes: true },
    { address: '0000:04:00.0', computes: true },
    { address: '0000:05:00.0', computes: true },
  ]);
  assert.deepEqual(
    usableGpus(devices).map(({ Index, PCIAddress }) => [PCIAddress, Index]),
    [
      ['0000:03:00.0', 1],
      ['0000:04:00.0', 0],
      ['0000:05:00.0', 2],
    ],
  );
  assert.deepEqual(usableGpus(devices).map(isFree(devices)), [false, true, true]);
});

test('a GPU is free when it is less than half full and half busy, or was not measured', () => {
  const devices = merged([
    { address: '0000:01:00.0', memory: 1000, memoryUsed: 499, utilisation: 49, computes: true },
    { address: '0000:02:00.0', memory: 1000, memoryUsed: 500, computes: true },
    { address: '0000:03:00.0', utilisation: 50, computes: true },
    { address: '0000:04:00.0', computes: true },
    // A driver may report this for graphics that use the machine's memory.
    { address: '0000:05:00.0', memory: 0, memoryUsed: 0, computes: true },
  ]);
  assert.deepEqual(usableGpus(devices).map(isFree(devices)), [true, false, false, true, true]);
  assert.equal(isFree([])(gpu(0)), false);
});

test('the usage contains only figures that were measured', () => {
  const devices = merged([
    {
      address: '0000:01:00.0',
      memoryUsed: 7,
      utilisation: 4,
      temperature: 41,
      power: 17.4,
      computes: true,
    },
    { address: '0000:02:00.0', doubt: 'no driver is bound to it' },
    { address: '0000:03:00.0', computes: true },
  ]);
  assert.deepEqual(gpuUsage(devices), [
    {
      Index: 0,
      PCIAddress: '0000:01:00.0',
      Memory: 7,
      Utilisation: 4,
      Temperature: 41,
      Power: 17.4,
    },
    { Index: 1, PCIAddress: '0000:03:00.0' },
  ]);
});

test('the drivers of usable GPUs are listed once each', () => {
  const amd = { driver: 'amdgpu', driverVersion: '6.7.0', computes: true };
  const devices = merged([
    { address: '0000:01:00.0', ...amd },
    { address: '0000:02:00.0', ...amd },
    { address: '0000:03:00.0', driver: 'i915', computes: true },
    { address: '0000:04:00.0', driver: 'vfio-pci', doubt: 'set aside' },
  ]);
  assert.equal(gpuDrivers(devices), 'amdgpu 6.7.0, i915');
  assert.equal(gpuDrivers([]), undefined);
});
