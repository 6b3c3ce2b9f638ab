// Detection over time: tools are not started for nothing, hung drivers lose nothing, and what is gone is missed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GpuScanner } from '../../../agent/host/gpu/scanner.ts';
import { type Inputs, wrapInputs } from '../../../agent/host/inputs/inputs.ts';
import { type FakeMachine, fakeMachine, toolOutput } from '../machines.ts';

const at = '0000:01:00.0';
const procfs = {
  'folder /proc/driver/nvidia/gpus': [at],
  [`file /proc/driver/nvidia/gpus/${at}/information`]: 'Model: \t NVIDIA T4\nGPU Excluded:\t No',
};
const bus = {
  'folder /sys/bus/pci/devices': [at],
  [`file /sys/bus/pci/devices/${at}/class`]: '0x030200',
  [`file /sys/bus/pci/devices/${at}/vendor`]: '0x10de',
  [`file /sys/bus/pci/devices/${at}/device`]: '0x1eb8',
  [`link /sys/bus/pci/devices/${at}/driver`]: '../../../../bus/pci/drivers/nvidia',
};
const library = {
  nvml: { gpus: [{ index: 0, name: 'NVIDIA T4', pciAddress: at, memoryTotal: 15_360 * 2 ** 20 }] },
};
const question =
  'tool nvidia-smi --query-gpu=index,uuid,name,pci.bus_id,memory.total,memory.used,driver_version,utilization.gpu,temperature.gpu,power.draw,ecc.errors.uncorrected.volatile.total,mig.mode.current --format=csv,noheader,nounits';
const smi = {
  [question]: toolOutput(`0, GPU-1, NVIDIA T4, 0000${at}, 15360, 2, 550.1, 0, 30, 9.00, 0, [N/A]\n`),
};
const hangs = { kind: 'late', reason: 'did not answer within 15 s' } as const;

/** A machine that changes, and the tools that were started on it. */
function changing(first: FakeMachine) {
  let now: Inputs = fakeMachine(first);
  const started: string[] = [];
  const inputs: Inputs = {
    ...wrapInputs(fakeMachine({}), ask => ask()),
    now: () => now.now(),
    system: () => now.system(),
    file: path => now.file(path),
    folder: path => now.folder(path),
    link: path => now.link(path),
    nvml: () => now.nvml(),
    run(tool, args) {
      started.push(tool.name);
      return now.run(tool, args);
    },
  };
  const become = (machine: FakeMachine) => {
    now = fakeMachine(machine);
  };
  return { detector: new GpuScanner(inputs), started, become };
}

test('a machine without GPUs has none, and starts nothing', async () => {
  const { detector, started } = changing({});
  assert.deepEqual((await detector.detect()).devices, []);
  assert.deepEqual(started, []);
});

test('what the library tells needs no tool', async () => {
  const { detector, started } = changing({ answers: { ...library, ...procfs, ...bus } });
  const { devices } = await detector.detect();
  assert.deepEqual([devices.length, devices[0]?.usable, devices[0]?.memory?.value], [1, true, 15_360]);
  assert.deepEqual(started, []);
});

test('without the library the tool tells the memory, and is started once for the same GPUs', async () => {
  const { detector, started } = changing({ answers: { ...procfs, ...bus, ...smi } });
  for (let look = 0; look < 5; look++) {
    const { devices } = await detector.detect();
    assert.equal(devices[0]?.memory?.value, 15_360);
  }
  assert.deepEqual(started, ['nvidia-smi']);
});

test('a look by hand asks the tools too when another look is under way', async () => {
  const { detector, started } = changing({ answers: { ...library, ...procfs, ...bus, ...smi } });
  const underWay = detector.detect();
  const byHand = [detector.detect('all'), detector.detect('all')];
  await underWay;
  assert.deepEqual(started, []);
  const [one, other] = await Promise.all(byHand);
  assert.equal(one, other);
  assert.deepEqual(started, ['nvidia-smi', 'rocm-smi', 'xpu-smi']);
});

test('another GPU is a reason to ask the tool again', async () => {
  const { detector, started, become } = changing({ answers: { ...procfs, ...bus, ...smi } });
  await detector.detect();
  become({
    answers: { ...procfs, ...bus, ...smi, 'folder /proc/driver/nvidia/gpus': [at, '0000:02:00.0'] },
  });
  await detector.detect();
  assert.deepEqual(started, ['nvidia-smi', 'nvidia-smi']);
});

test('asked for all, every tool is asked every time', async () => {
  const { detector, started } = changing({ answers: { ...library, ...procfs, ...bus, ...smi } });
  await detector.detect('all');
  await detector.detect('all');
  assert.deepEqual(started.sort(), [
    'nvidia-smi',
    'nvidia-smi',
    'rocm-smi',
    'rocm-smi',
    'xpu-smi',
    'xpu-smi',
  ]);
});

test('while it looks, all who ask as much get the same answer', async () => {
  const { detector } = changing({ answers: library });
  const [one, two] = await Promise.all([detector.detect(), detector.detect()]);
  assert.equal(one, two);
  assert.equal(detector.last, one);
});

test('a driver that hangs loses no GPU: what it said last is kept, with its time', async () => {
  const { detector, started, become } = changing({ answers: { ...library, ...procfs, ...bus } });
  const before = await detector.detect();
  become({ answers: { ...procfs, ...bus }, faults: { nvml: hangs } });
  const { devices, reports, missing } = await detector.detect();
  const report = reports.find(({ source }) => source === 'nvml');
  assert.deepEqual(
    [devices[0]?.memory?.value, devices[0]?.usable, report?.kept, report?.fault?.kind, missing],
    [15_360, true, true, 'late', []],
  );
  assert.equal(report?.readAt, before.reports[0]?.readAt);
  assert.deepEqual(started, []);
});

test('a GPU that left the bus while its driver hangs is gone', async () => {
  const other = { ...bus, 'folder /sys/bus/pci/devices': ['0000:02:00.0'] };
  const second = Object.fromEntries(
    Object.entries(bus).map(([key, value]) => [key.replace(at, '0000:02:00.0'), value]),
  );
  const { detector, become } = changing({ answers: { ...library, ...bus } });
  await detector.detect();
  become({ answers: { ...second, ...other }, faults: { nvml: hangs } });
  const { devices, missing } = await detector.detect();
  assert.deepEqual(
    devices.map(({ address }) => address),
    ['0000:02:00.0'],
  );
  assert.deepEqual(missing, [`NVIDIA T4 at ${at} is gone`]);
});

test('a GPU is not said to be gone when what knew of it fails', async () => {
  const reason = 'failed: nvmlInit_v2: NVML_ERROR_LIB_RM_VERSION_MISMATCH';
  const { detector, become } = changing({ answers: library });
  await detector.detect();
  become({ faults: { nvml: { kind: 'failed', reason } } });
  assert.deepEqual((await detector.detect()).missing, [`NVIDIA T4 at ${at} is not seen, as nvml ${reason}`]);
  become({ answers: { nvml: { gpus: [] } } });
  assert.deepEqual((await detector.detect()).missing, [`NVIDIA T4 at ${at} is gone`]);
});

test('a GPU that fails is missed, with the reason, until it is back', async () => {
  const { detector, become } = changing({ answers: { ...library, ...procfs, ...bus } });
  assert.deepEqual((await detector.detect()).missing, []);
  become({
    answers: { ...procfs, ...bus },
    faults: { nvml: { kind: 'failed', reason: 'failed: version mismatch' } },
  });
  assert.deepEqual((await detector.detect()).missing, [
    `NVIDIA T4 at ${at} cannot be used: nvml failed: version mismatch`,
  ]);
  become({ answers: { ...library, ...procfs, ...bus } });
  assert.deepEqual((await detector.detect()).missing, []);
});

test('a GPU that fails from the start is missed too, also by who took note of others', async () => {
  const { detector, become } = changing({
    answers: { ...procfs, ...bus },
    faults: { nvml: { kind: 'failed', reason: 'failed: version mismatch' } },
  });
  const said = [`NVIDIA T4 at ${at} cannot be used: nvml failed: version mismatch`];
  assert.deepEqual((await detector.detect()).missing, said);
  detector.forget();
  assert.deepEqual((await detector.detect()).missing, said);
  become({ answers: { ...library, ...procfs, ...bus } });
  assert.deepEqual((await detector.detect()).missing, []);
});

test('an operator who took note of it is not told for ever', async () => {
  const { detector, become } = changing({ answers: { ...library, ...bus } });
  await detector.detect();
  become({});
  assert.equal((await detector.detect()).missing.length, 1);
  detector.forget();
  assert.deepEqual((await detector.detect()).missing, []);
});

test('a source whose first file hangs is asked for no second one', async () => {
  const asked: string[] = [];
  const inputs: Inputs = {
    ...wrapInputs(fakeMachine({}), ask => ask()),
    async folder(path) {
      if (path === '/sys/bus/pci/drivers/amdgpu') return { value: [at], took: 1 };
      return { fault: { kind: 'absent', reason: 'is not there' }, took: 0 };
    },
    async file(path) {
      asked.push(path);
      return { fault: hangs, took: 2000 };
    },
  };
  const { reports } = await new GpuScanner(inputs).detect();
  const report = reports.find(({ source }) => source === 'amdgpu');
  assert.deepEqual(asked, ['/sys/module/amdgpu/version']);
  assert.deepEqual([report?.fault, report?.took], [hangs, 2001]);
});
