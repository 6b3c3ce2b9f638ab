// Tests NVML through all layers: a fake library, the native probe, the inputs and the scanner.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { crashGuard } from '../../agent/host/gpu/crash-guard.ts';
import { GpuScanner } from '../../agent/host/gpu/scanner.ts';
import { SystemInputs } from '../../agent/host/inputs/system-inputs.ts';
import { loadProbeFrom } from '../../agent/host/native/native-probe.ts';
import { eventually } from '../support/eventually.ts';
import { newFolder } from '../support/temporary.ts';
import { configureNvml, fakeNvml } from './fake-nvml.ts';
import { addonFile } from './probe.ts';

const threads = () => readdirSync('/proc/self/task').length;

async function inputs(options: Partial<ConstructorParameters<typeof SystemInputs>[0]> = {}) {
  return new SystemInputs({
    folder: await newFolder(),
    inventoryCommand: { command: '/nonexistent', args: [] },
    nvmlLibrary: fakeNvml,
    probe: loadProbeFrom([addonFile]),
    driverTimeoutMs: 600_000,
    ...options,
  });
}

test('8 GPUs, one of them split, become 8 devices with the facts of NVML', async () => {
  configureNvml('gpus=8 mig=3');
  const { devices, reports } = await new GpuScanner(await inputs()).scan();
  const gpus = devices.filter(({ sources }) => sources.includes('nvml'));
  assert.equal(gpus.length, 8);
  for (const gpu of gpus) {
    assert.ok(gpu.usable);
    assert.ok(gpu.address && gpu.name?.value && (gpu.memory?.value ?? 0) > 0);
    assert.equal(gpu.memory?.source, 'nvml');
  }
  assert.deepEqual(
    gpus.map(({ mig }) => mig?.value.length),
    [undefined, undefined, undefined, 2, undefined, undefined, undefined, undefined],
  );
  assert.equal(reports.find(({ source }) => source === 'nvml')?.fault, undefined);
});

test('a hostile library does no harm', async () => {
  configureNvml('gpus=2 hostile');
  const { devices } = await new GpuScanner(await inputs()).scan();
  for (const { name, uuid } of devices) {
    for (const fact of [name, uuid])
      assert.doesNotMatch(fact?.value ?? '', /[\u0000-\u001f\u007f-\u009f\ufffd]/);
  }
});

test('a library that fails, and a configured library that is not there, are faults', async () => {
  configureNvml('gpus=1 fail=nvmlInit_v2:9');
  const failing = await (await inputs()).nvml();
  assert.deepEqual(failing.fault, {
    kind: 'failed',
    reason: 'failed: nvmlInit_v2: NVML_ERROR_DRIVER_NOT_LOADED',
  });
  const named = await (await inputs({ nvmlLibrary: '/nonexistent/libnvidia-ml.so.1' })).nvml();
  assert.equal(named.fault?.kind, 'failed');
});

test('a library that cannot count its GPUs has failed', async () => {
  configureNvml('gpus=2');
  const scanner = new GpuScanner(await inputs());
  assert.equal((await scanner.scan()).devices.length, 2);
  configureNvml('gpus=2 fail=nvmlDeviceGetCount_v2:999');
  const { reports } = await scanner.scan();
  assert.deepEqual(reports.find(({ source }) => source === 'nvml')?.fault, {
    kind: 'failed',
    reason: 'failed: nvmlDeviceGetCount_v2: NVML_ERROR_UNKNOWN',
  });
});

test('a library that hangs is late, its last answer is kept, and no threads are added', async () => {
  configureNvml('gpus=2');
  const until = join(await newFolder(), 'go');
  const machine = await inputs({ driverTimeoutMs: 100 });
  const scanner = new GpuScanner(machine);
  // A busy machine may need more than a tenth of a second for the first answer.
  await eventually('it answers', async () => (await scanner.scan()).devices.length === 2);
  configureNvml(`gpus=2 hang=nvmlDeviceGetName until=${until}`);
  const { devices, reports, missing } = await scanner.scan();
  const report = reports.find(({ source }) => source === 'nvml');
  assert.deepEqual([devices.length, missing, report?.kept, report?.fault?.kind], [2, [], true, 'late']);
  assert.match(report?.fault?.reason ?? '', /^hangs in nvmlDeviceGetName$/);
  const before = threads();
  for (let scan = 0; scan < 50; scan++) {
    const again = await scanner.scan();
    assert.deepEqual(again.reports.find(({ source }) => source === 'nvml')?.fault, report?.fault);
  }
  assert.ok(threads() <= before);
  await writeFile(until, '');
  await eventually('it answers again', async () => {
    const { reports } = await scanner.scan();
    return reports.find(({ source }) => source === 'nvml')?.fault === undefined;
  });
});

test('the crash guard is around each call, and refuses calls after crashes', async () => {
  configureNvml('gpus=1');
  const folder = await newFolder();
  const guarded = await inputs({ guard: (await crashGuard(folder, 'x')).around });
  assert.equal((await guarded.nvml()).value?.gpus.length, 1);
  await writeFile(join(folder, 'nvml-called'), 'x\n2\n');
  const refused = await inputs({ guard: (await crashGuard(folder, 'x')).around });
  const { fault } = await refused.nvml();
  assert.equal(fault?.kind, 'failed');
  assert.match(
    fault?.reason ?? '',
    /^failed: it is not called, because the last 2 processes that called it ended during the call; remove /,
  );
});

test('without the native probe NVML is absent, with the reason', async () => {
  const { fault } = await (await inputs({ probe: { reason: 'was not built' } })).nvml();
  assert.deepEqual(fault, {
    kind: 'absent',
    reason: 'cannot be asked, because the native probe was not built',
  });
});
