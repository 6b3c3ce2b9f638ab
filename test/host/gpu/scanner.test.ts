// Tests scans over time: tools are started only when needed, hung drivers lose no GPU, and a GPU that is gone is missing.
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

/** Returns a scanner on a machine that can change, and the tools that were started. */
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
  return { scanner: new GpuScanner(inputs), started, become };
}

test('a machine without GPUs has no GPU, and no tool is started', async () => {
  const { scanner, started } = changing({});
  assert.deepEqual((await scanner.scan()).devices, []);
  assert.deepEqual(started, []);
});

test('no tool is started when the library answers', async () => {
  const { scanner, started } = changing({ answers: { ...library, ...procfs, ...bus } });
  const { devices } = await scanner.scan();
  assert.deepEqual([devices.length, devices[0]?.usable, devices[0]?.memory?.value], [1, true, 15_360]);
  assert.deepEqual(started, []);
});

test('without the library the tool gives the memory, and is started once for the same GPUs', async () => {
  const { scanner, started } = changing({ answers: { ...procfs, ...bus, ...smi } });
  for (let scan = 0; scan < 5; scan++) {
    const { devices } = await scanner.scan();
    assert.equal(devices[0]?.memory?.value, 15_360);
  }
  assert.deepEqual(started, ['nvidia-smi']);
});

test('a scan with all tools starts after a scan that is under way', async () => {
  const { scanner, started } = changing({ answers: { ...library, ...procfs, ...bus, ...smi } });
  const underWay = scanner.scan();
  const byHand = [scanner.scan('all'), scanner.scan('all')];
  await underWay;
  assert.deepEqual(started, []);
  const [one, other] = await Promise.all(byHand);
  assert.equal(one, other);
  assert.deepEqual(started, ['nvidia-smi', 'rocm-smi', 'xpu-smi']);
});

test('the tool is started again when there is another GPU', async () => {
  const { scanner, started, become } = changing({ answers: { ...procfs, ...bus, ...smi } });
  await scanner.scan();
  become({
    answers: { ...procfs, ...bus, ...smi, 'folder /proc/driver/nvidia/gpus': [at, '0000:02:00.0'] },
  });
  await scanner.scan();
  assert.deepEqual(started, ['nvidia-smi', 'nvidia-smi']);
});

test('a scan with all tools starts every tool each time', async () => {
  const { scanner, started } = changing({ answers: { ...library, ...procfs, ...bus, ...smi } });
  await scanner.scan('all');
  await scanner.scan('all');
  assert.deepEqual(started.sort(), [
    'nvidia-smi',
    'nvidia-smi',
    'rocm-smi',
    'rocm-smi',
    'xpu-smi',
    'xpu-smi',
  ]);
});

test('all callers during a scan get the same result', async () => {
  const { scanner } = changing({ answers: library });
  const [one, two] = await Promise.all([scanner.scan(), scanner.scan()]);
  assert.equal(one, two);
  assert.equal(scanner.latest, one);
});

test('the last answer of a driver that hangs is kept, with its time', async () => {
  const { scanner, started, become } = changing({ answers: { ...library, ...procfs, ...bus } });
  const before = await scanner.scan();
  become({ answers: { ...procfs, ...bus }, faults: { nvml: hangs } });
  const { devices, reports, missing } = await scanner.scan();
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
  const { scanner, become } = changing({ answers: { ...library, ...bus } });
  await scanner.scan();
  become({ answers: { ...second, ...other }, faults: { nvml: hangs } });
  const { devices, missing } = await scanner.scan();
  assert.deepEqual(
    devices.map(({ address }) => address),
    ['0000:02:00.0'],
  );
  assert.deepEqual(missing, [`NVIDIA T4 at ${at} is gone`]);
});

test('a GPU whose sources fail is not seen, but not gone', async () => {
  const reason = 'failed: nvmlInit_v2: NVML_ERROR_LIB_RM_VERSION_MISMATCH';
  const { scanner, become } = changing({ answers: library });
  await scanner.scan();
  become({ faults: { nvml: { kind: 'failed', reason } } });
  assert.deepEqual((await scanner.scan()).missing, [
    `NVIDIA T4 at ${at} is not seen, because nvml ${reason}`,
  ]);
  become({ answers: { nvml: { gpus: [] } } });
  assert.deepEqual((await scanner.scan()).missing, [`NVIDIA T4 at ${at} is gone`]);
});

test('a GPU that fails is missing, with the reason, until it is back', async () => {
  const { scanner, become } = changing({ answers: { ...library, ...procfs, ...bus } });
  assert.deepEqual((await scanner.scan()).missing, []);
  become({
    answers: { ...procfs, ...bus },
    faults: { nvml: { kind: 'failed', reason: 'failed: version mismatch' } },
  });
  assert.deepEqual((await scanner.scan()).missing, [
    `NVIDIA T4 at ${at} cannot be used: nvml failed: version mismatch`,
  ]);
  become({ answers: { ...library, ...procfs, ...bus } });
  assert.deepEqual((await scanner.scan()).missing, []);
});

test('a GPU that has failed from the start stays missing even after forgetMissing', async () => {
  const { scanner, become } = changing({
    answers: { ...procfs, ...bus },
    faults: { nvml: { kind: 'failed', reason: 'failed: version mismatch' } },
  });
  const missing = [`NVIDIA T4 at ${at} cannot be used: nvml failed: version mismatch`];
  assert.deepEqual((await scanner.scan()).missing, missing);
  scanner.forgetMissing();
  assert.deepEqual((await scanner.scan()).missing, missing);
  become({ answers: { ...library, ...procfs, ...bus } });
  assert.deepEqual((await scanner.scan()).missing, []);
});

test('forgetMissing ends the report of a GPU that is gone', async () => {
  const { scanner, become } = changing({ answers: { ...library, ...bus } });
  await scanner.scan();
  become({});
  assert.equal((await scanner.scan()).missing.length, 1);
  scanner.forgetMissing();
  assert.deepEqual((await scanner.scan()).missing, []);
});

test('after a file that hangs, a source asks for no further file', async () => {
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
  const { reports } = await new GpuScanner(inputs).scan();
  const report = reports.find(({ source }) => source === 'amdgpu');
  assert.deepEqual(asked, ['/sys/module/amdgpu/version']);
  assert.deepEqual([report?.fault, report?.took], [hangs, 2001]);
});
