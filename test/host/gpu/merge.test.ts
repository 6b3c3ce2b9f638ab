// Tests how the reports about a GPU are merged: which source is believed, what disagrees, and whether jobs can use it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  failures,
  type ReportedGpu,
  type SourceName,
  type SourceReport,
} from '../../../agent/host/gpu/gpu.ts';
import { merge } from '../../../agent/host/gpu/merge.ts';
import type { Fault } from '../../../agent/host/inputs/inputs.ts';

const report = (source: SourceName, sightings: ReportedGpu[], fault?: Fault): SourceReport => ({
  source,
  took: 1,
  readAt: '2026-01-01T00:00:00.000Z',
  sightings,
  fault,
});
const nvidia = (more: ReportedGpu = {}): ReportedGpu => ({
  vendor: 'NVIDIA',
  address: '0000:01:00.0',
  computes: true,
  ...more,
});
const onBus = (more: ReportedGpu = {}): ReportedGpu => ({
  vendor: 'NVIDIA',
  address: '0000:01:00.0',
  driver: 'nvidia',
  name: 'GeForce RTX 3090',
  doubt: 'its driver, nvidia, does not list it',
  ...more,
});
const failed = (reason: string): Fault => ({ kind: 'failed', reason });

test('entries with the same address are one GPU, and the best source is used', () => {
  const devices = merge([
    report('nvml', [nvidia({ name: 'NVIDIA GeForce RTX 3090', memory: 24_576 })]),
    report('nvidia procfs', [nvidia({ driver: 'nvidia', driverVersion: '550.54.15' })]),
    report('PCI', [onBus({ aperture: 256 })]),
  ]);
  assert.equal(devices.length, 1);
  const [gpu] = devices;
  assert.deepEqual(gpu?.sources, ['nvml', 'nvidia procfs', 'PCI']);
  assert.deepEqual([gpu?.usable, gpu?.reason], [true, undefined]);
  assert.deepEqual(
    [gpu?.name?.value, gpu?.name?.source, gpu?.driverVersion?.source],
    ['NVIDIA GeForce RTX 3090', 'nvml', 'nvidia procfs'],
  );
  assert.equal(gpu?.memory?.disagreement, 'nvml: 24576 MiB; PCI BAR: 256 MiB; using nvml');
});

test('rounding, an aperture of the next power of two and another spelling are no disagreement', () => {
  const [gpu] = merge([
    report('nvml', [nvidia({ name: 'NVIDIA H100 80GB HBM3', memory: 81_559, temperature: 30 })]),
    report('nvidia-smi', [nvidia({ name: 'H100', memory: 81_558, temperature: 31 })]),
    report('PCI', [onBus({ aperture: 131_072 })]),
  ]);
  for (const fact of [gpu?.memory, gpu?.name, gpu?.temperature]) assert.equal(fact?.disagreement, undefined);
  assert.deepEqual(gpu?.memory?.others, [
    { source: 'nvidia-smi', value: 81_558 },
    { source: 'PCI BAR', value: 131_072 },
  ]);
});

test('memory in use that exceeds the total is a disagreement, and is not used', () => {
  const merged = (more: { memoryUsed: number }) =>
    merge([report('nvidia-smi', [nvidia({ memory: 15_360, ...more })])])[0];
  const gpu = merged({ memoryUsed: 99_999_999 });
  assert.equal(gpu?.memoryUsed, undefined);
  assert.equal(
    gpu?.memory?.disagreement,
    'nvidia-smi: 15360 MiB; nvidia-smi, in use: 99999999 MiB; using nvidia-smi',
  );
  // A full GPU, with the memory in use rounded up.
  assert.equal(merged({ memoryUsed: 15_361 })?.memoryUsed?.value, 15_361);
  assert.deepEqual(merged({ memoryUsed: 15_360 })?.memory?.others, []);
  const [shared] = merge([report('system profiler', [{ vendor: 'Apple', index: 0, memoryUsed: 5 }])]);
  assert.equal(shared?.memoryUsed?.value, 5);
});

test('an aperture alone gives no memory size', () => {
  const [gpu] = merge([report('PCI', [onBus({ aperture: 256 })])]);
  assert.equal(gpu?.memory, undefined);
  assert.equal(gpu?.aperture?.value, 256);
});

test('without an address the UUID identifies a GPU, and without a UUID its index', () => {
  const devices = merge([
    report('nvidia procfs', [nvidia({ uuid: 'GPU-a' }), nvidia({ address: '0000:02:00.0', uuid: 'GPU-b' })]),
    report('nvidia-smi', [
      { vendor: 'NVIDIA', uuid: 'GPU-b', index: 1, memory: 2, computes: true },
      { vendor: 'NVIDIA', uuid: 'GPU-a', index: 0, memory: 1, computes: true },
    ]),
    report('rocm-smi', [{ vendor: 'AMD/ATI', index: 0, computes: true }]),
    report('system profiler', [{ vendor: 'AMD/ATI', index: 0, memory: 3, computes: true }]),
  ]);
  assert.deepEqual(
    devices.map(({ address, vendor, memory }) => [address, vendor, memory?.value]),
    [
      ['0000:01:00.0', 'NVIDIA', 1],
      ['0000:02:00.0', 'NVIDIA', 2],
      [undefined, 'AMD/ATI', 3],
    ],
  );
});

test('when a source reports a GPU twice, the first entry counts', () => {
  const [gpu, ...rest] = merge([report('nvml', [nvidia({ memory: 1000 }), nvidia({ memory: 2000 })])]);
  assert.deepEqual([gpu?.memory?.value, gpu?.memory?.others, rest.length], [1000, [], 0]);
});

test('GPUs are ordered by vendor as in Bacalhau, then by index, then by address', () => {
  const devices = merge([
    report('nvml', [nvidia({ index: 1 }), nvidia({ address: '0000:00:0f.0', index: 0 })]),
    report('intel sysfs', [{ vendor: 'Intel', address: '0000:03:00.0', computes: true }]),
    report('amdgpu', [
      { vendor: 'AMD/ATI', address: '0000:09:00.0', computes: true },
      { vendor: 'AMD/ATI', address: '0000:05:00.0', computes: true },
    ]),
    report('PCI', [
      { vendor: 'ASPEED', address: '0000:00:01.0' },
      { vendor: 'A', address: '0000:00:02.0' },
    ]),
  ]);
  assert.deepEqual(
    devices.map(({ vendor, address }) => `${vendor} ${address}`),
    [
      'NVIDIA 0000:00:0f.0',
      'NVIDIA 0000:01:00.0',
      'AMD/ATI 0000:05:00.0',
      'AMD/ATI 0000:09:00.0',
      'Intel 0000:03:00.0',
      'A 0000:00:02.0',
      'ASPEED 0000:00:01.0',
    ],
  );
});

test('a GPU that only the PCI bus knows cannot be used, and the reason says so', () => {
  const [gpu] = merge([report('PCI', [onBus({ doubt: 'no driver is bound to it' })])]);
  assert.deepEqual([gpu?.usable, gpu?.reason], [false, 'no driver is bound to it']);
});

test('a broken GPU cannot be used, even if another source lists it', () => {
  const [gpu] = merge([
    report('nvml', [nvidia({ memory: 1 })]),
    report('nvidia procfs', [nvidia({ broken: 'it needs a reset' })]),
  ]);
  assert.deepEqual([gpu?.usable, gpu?.reason, gpu?.failed], [false, 'it needs a reset', true]);
});

test('NVIDIA: a GPU that the library cannot open gets the address of a GPU that only the driver lists', () => {
  const lost = (index: number): ReportedGpu => ({ vendor: 'NVIDIA', index, computes: true, broken: 'lost' });
  const at = (bus: number, more: ReportedGpu = {}) => nvidia({ address: `0000:0${bus}:00.0`, ...more });
  const listed = (nvml: ReportedGpu[], procfs: ReportedGpu[]) =>
    merge([report('nvml', nvml), report('nvidia procfs', procfs)]).map(device => [
      device.address,
      device.index?.value,
      device.reason,
      device.failed,
    ]);
  const all = [3, 1, 2].map(bus => at(bus));
  assert.deepEqual(listed([at(1, { index: 0 }), lost(1), lost(2)], all), [
    ['0000:01:00.0', 0, undefined, undefined],
    ['0000:02:00.0', 1, 'lost', true],
    ['0000:03:00.0', 2, 'lost', true],
  ]);
  const excluded = at(2, { broken: 'left out', meant: true });
  assert.equal(listed([at(1, { index: 0 }), lost(1)], [at(1), excluded])[1]?.[0], undefined);
  // In a container the library may list fewer GPUs than the driver.
  const some = listed([at(1, { index: 0 }), lost(1)], all);
  assert.deepEqual([some.length, some[1]], [4, [undefined, 1, 'lost', true]]);
});

test('a GPU without an address is named by its number', () => {
  const sightings = [{ vendor: 'NVIDIA', index: 7, computes: true, broken: 'it needs a reset' }];
  assert.deepEqual(failures(merge([report('nvml', sightings)])), [
    'NVIDIA (GPU 7) cannot be used: it needs a reset',
  ]);
});

test('a GPU that was left out on purpose cannot be used, but has not failed', () => {
  const [gpu] = merge([report('nvidia procfs', [nvidia({ broken: 'left out', meant: true })])]);
  assert.deepEqual([gpu?.usable, gpu?.reason, gpu?.failed], [false, 'left out', undefined]);
  const [bare] = merge([report('PCI', [onBus({ doubt: 'no driver is bound to it' })])]);
  assert.deepEqual([bare?.usable, bare?.failed], [false, undefined]);
});

test('NVIDIA: without a library the files of the kernel are enough', () => {
  const [gpu] = merge([
    report('nvml', [], { kind: 'absent', reason: 'is not there' }),
    report('nvidia procfs', [nvidia()]),
    report('nvidia-smi', [], { kind: 'absent', reason: 'is not there' }),
    report('PCI', [onBus()]),
  ]);
  assert.equal(gpu?.usable, true);
});

test('NVIDIA: a GPU that the library does not list is not available to this process', () => {
  const devices = merge([
    report('nvml', [nvidia()]),
    report('nvidia procfs', [nvidia(), nvidia({ address: '0000:02:00.0' })]),
  ]);
  assert.deepEqual(
    devices.map(({ usable, reason, failed }) => [usable, reason, failed]),
    [
      [true, undefined, undefined],
      [false, 'the driver has it, but nvml does not list it', undefined],
    ],
  );
});

test('NVIDIA: with a library that does not fit the driver no GPU can be used', () => {
  const reports = (smi: SourceReport) => [
    report('nvml', [], failed('failed: nvmlInit_v2: NVML_ERROR_LIB_RM_VERSION_MISMATCH')),
    report('nvidia procfs', [nvidia()]),
    smi,
  ];
  const [broken] = merge(reports(report('nvidia-smi', [], failed('ended with status 18'))));
  assert.deepEqual(
    [broken?.usable, broken?.reason, broken?.failed],
    [false, 'nvml failed: nvmlInit_v2: NVML_ERROR_LIB_RM_VERSION_MISMATCH', true],
  );
  const [fine] = merge(reports(report('nvidia-smi', [nvidia({ memory: 15_360 })])));
  assert.equal(fine?.usable, true);
});

test('NVIDIA: the GPUs stay usable while the library hangs', () => {
  const [gpu] = merge([
    report('nvml', [], { kind: 'late', reason: 'did not answer' }),
    report('nvidia procfs', [nvidia()]),
  ]);
  assert.equal(gpu?.usable, true);
});

test('Intel: integrated graphics can be used only when xpu-smi lists them', () => {
  const integrated = {
    vendor: 'Intel',
    address: '0000:00:02.0',
    computes: false,
    doubt: 'integrated graphics',
  };
  const [without] = merge([report('intel sysfs', [integrated])]);
  assert.deepEqual([without?.usable, without?.reason], [false, 'integrated graphics']);
  const [listed] = merge([
    report('intel sysfs', [integrated]),
    report('xpu-smi', [{ vendor: 'Intel', address: '0000:00:02.0', computes: true }]),
  ]);
  assert.equal(listed?.usable, true);
});

test('for any reports, each address is there once, and a GPU has a reason exactly when it cannot be used', () => {
  const sources: SourceName[] = [
    'nvml',
    'nvidia procfs',
    'nvidia-smi',
    'amdgpu',
    'rocm-smi',
    'xpu-smi',
    'PCI',
  ];
  const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const anyGpu = fc.record({
    address: optional(fc.constantFrom('0000:01:00.0', '0000:02:00.0', '0000:03:00.0')),
    uuid: optional(fc.constantFrom('a', 'b')),
    index: optional(fc.nat(3)),
    vendor: optional(fc.constantFrom('NVIDIA', 'AMD/ATI', 'Intel')),
    memory: optional(fc.nat(100_000)),
    aperture: optional(fc.nat(100_000)),
    computes: fc.boolean(),
    broken: optional(fc.constant('broken')),
    doubt: optional(fc.constant('doubt')),
  });
  const fault = optional(
    fc.record({
      kind: fc.constantFrom('absent', 'denied', 'late', 'failed'),
      reason: fc.constant('why'),
    } as const),
  );
  const reports = fc
    .tuple(
      ...sources.map(source =>
        fc
          .record({ sightings: fc.array(anyGpu, { maxLength: 4 }), fault })
          .map(answer => ({ source, ...answer })),
      ),
    )
    .map(all => all.map(({ source, sightings, fault }) => report(source, sightings, fault)));
  fc.assert(
    fc.property(reports, all => {
      const devices = merge(all);
      const addresses = devices.flatMap(({ address }) => address ?? []);
      const reported = all.flatMap(({ sightings }) => sightings.flatMap(({ address }) => address ?? []));
      assert.equal(new Set(addresses).size, addresses.length);
      assert.deepEqual(new Set(addresses), new Set(reported));
      for (const device of devices) assert.equal(device.usable, device.reason === undefined);
    }),
  );
});
