// Tests the refresh between two scans: what it asks, which figures it changes, and when it scans.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GpuScanner } from '../../../agent/host/gpu/scanner.ts';
import type { Answer, Inputs } from '../../../agent/host/inputs/inputs.ts';
import { type FakeMachine, fakeMachine } from '../machines.ts';

const at = '0000:01:00.0';
const nvidiaGpu = (more = {}) => ({
  index: 0,
  uuid: 'GPU-1',
  name: 'NVIDIA T4',
  pciAddress: at,
  memoryTotal: 15_360 * 2 ** 20,
  memoryUsed: 2 ** 20,
  utilisation: 1,
  temperature: 30,
  ...more,
});
const nvidia = (gpus: object[], more: FakeMachine['answers'] = {}): FakeMachine => ({
  answers: {
    // JSON drops the undefined values, because a recording has none.
    nvml: JSON.parse(JSON.stringify({ gpus })),
    'folder /proc/driver/nvidia/gpus': [at],
    [`file /proc/driver/nvidia/gpus/${at}/information`]: 'Model: \t NVIDIA T4',
    ...more,
  },
});

const card = `/sys/bus/pci/devices/0000:03:00.0`;
const amd = (used: number | undefined, bound = ['0000:03:00.0']): FakeMachine => ({
  answers: {
    'folder /sys/bus/pci/drivers/amdgpu': ['bind', ...bound],
    [`file ${card}/mem_info_vram_total`]: String(8 * 2 ** 30),
    ...(used === undefined ? {} : { [`file ${card}/mem_info_vram_used`]: String(used * 2 ** 20) }),
    [`file ${card}/gpu_busy_percent`]: '7',
    [`file ${card}/product_name`]: 'AMD Instinct',
  },
});
const intel = (microwatts: number | undefined): FakeMachine => ({
  answers: {
    'folder /sys/bus/pci/drivers/xe': ['0000:04:00.0'],
    'file /sys/bus/pci/devices/0000:04:00.0/tile0/physical_vram_size_bytes': String(2 ** 34),
    'folder /sys/bus/pci/devices/0000:04:00.0/hwmon': ['hwmon2'],
    ...(microwatts === undefined
      ? {}
      : { 'file /sys/bus/pci/devices/0000:04:00.0/hwmon/hwmon2/power1_input': String(microwatts) }),
  },
});

/** Returns a scanner on a machine that can change, after one scan, and the questions that were asked since. */
async function changing(first: FakeMachine) {
  let now = fakeMachine(first);
  const asked: string[] = [];
  const ask =
    <T, Args extends readonly unknown[]>(what: string, question: (...args: Args) => Promise<Answer<T>>) =>
    (...args: Args) => {
      asked.push([what, ...args.filter(arg => typeof arg === 'string')].join(' '));
      return question(...args);
    };
  // As in the native probe, there are figures only for the same GPUs as before, when none has an error.
  const held = (await now.nvml()).value?.gpus.length;
  const figures = async () => {
    const { value, fault = { kind: 'absent', reason: 'needs a scan' } as const, took } = await now.nvml();
    const asBefore = value?.gpus.length === held && value?.gpus.every(({ errors }) => errors.length === 0);
    return value && asBefore ? { value: value.gpus, took } : { fault, took };
  };
  const inputs = new Proxy<Inputs>(now, {
    get(_, name: keyof Inputs) {
      if (name === 'now' || name === 'system') return now[name];
      if (name === 'nvmlFigures') return ask(name, figures);
      return ask(name, now[name] as (...args: readonly unknown[]) => Promise<Answer<unknown>>);
    },
  });
  const scanner = new GpuScanner(inputs);
  assert.equal(await scanner.refresh(), true, 'there is nothing to refresh before the first scan');
  asked.length = 0;
  const become = (machine: FakeMachine) => {
    now = fakeMachine(machine);
  };
  return { scanner, asked, become, device: () => scanner.latest?.devices[0] };
}

test('a refresh asks only the library and takes its new figures', async () => {
  const { scanner, asked, become, device } = await changing(nvidia([nvidiaGpu()]));
  become(
    nvidia([nvidiaGpu({ memoryUsed: 9 * 2 ** 20, utilisation: 88, temperature: undefined, power: 70 })]),
  );
  const before = device();
  assert.equal(await scanner.refresh(), false);
  assert.deepEqual(asked, ['nvmlFigures']);
  assert.deepEqual(
    [
      device()?.memoryUsed?.value,
      device()?.utilisation?.value,
      device()?.temperature,
      device()?.power?.value,
    ],
    [9, 88, undefined, 70],
  );
  assert.equal(device()?.memoryUsed?.source, 'nvml');
  assert.deepEqual(
    [device()?.name, device()?.memory, device()?.uuid],
    [before?.name, before?.memory, before?.uuid],
  );
});

test('memory in use that exceeds the total is not used in a refresh either', async () => {
  const contradiction = nvidia([nvidiaGpu({ memoryUsed: 99_999 * 2 ** 20 })]);
  const { scanner, become, device } = await changing(contradiction);
  assert.equal(device()?.memoryUsed, undefined);
  assert.equal(await scanner.refresh(), false);
  assert.equal(device()?.memoryUsed, undefined);
  become(nvidia([nvidiaGpu({ memoryUsed: 9 * 2 ** 20 })]));
  await scanner.refresh();
  assert.equal(device()?.memoryUsed?.value, 9);
  become(contradiction);
  await scanner.refresh();
  assert.equal(device()?.memoryUsed, undefined);
});

test('while the library hangs, the newest figures are kept', async () => {
  const { scanner, become, device } = await changing(nvidia([nvidiaGpu()]));
  become(nvidia([nvidiaGpu({ memoryUsed: 9 * 2 ** 20 })]));
  await scanner.refresh();
  const hung = nvidia([]);
  become({
    answers: Object.fromEntries(Object.entries(hung.answers ?? {}).filter(([key]) => key !== 'nvml')),
    faults: { nvml: { kind: 'late', reason: 'does not return' } },
  });
  assert.equal(await scanner.refresh(), true);
  assert.equal(device()?.memoryUsed?.value, 9);
});

test('a GPU that fails in a refresh causes scans until it is back', async () => {
  const { scanner, become, device } = await changing(nvidia([nvidiaGpu()]));
  const errors = [{ call: 'nvmlDeviceGetMemoryInfo_v2', error: 'NVML_ERROR_GPU_IS_LOST' }];
  become(nvidia([nvidiaGpu({ memoryUsed: undefined, errors })]));
  assert.equal(await scanner.refresh(), true);
  assert.equal(device()?.usable, false);
  assert.match(
    scanner.latest?.missing[0] ?? '',
    /^NVIDIA T4 at 0000:01:00\.0 cannot be used: the driver lost it/,
  );
  assert.equal(await scanner.refresh(), true, 'each refresh scans while the GPU is missing');
  become(nvidia([nvidiaGpu()]));
  assert.equal(await scanner.refresh(), true);
  assert.deepEqual([device()?.usable, scanner.latest?.missing], [true, []]);
  assert.equal(await scanner.refresh(), false);
});

test('a GPU that is gone or new causes a scan', async () => {
  for (const gpus of [[], [nvidiaGpu(), nvidiaGpu({ index: 1 })]]) {
    const { scanner, become } = await changing(nvidia([nvidiaGpu()]));
    become(nvidia(gpus));
    assert.equal(await scanner.refresh(), true, JSON.stringify(gpus));
  }
});

test('a GPU whose figures only a tool knows causes a scan each time', async () => {
  const { scanner } = await changing({
    answers: {
      'folder /proc/driver/nvidia/gpus': [at],
      [`file /proc/driver/nvidia/gpus/${at}/information`]: 'Model: \t NVIDIA T4',
    },
  });
  assert.equal(await scanner.refresh(), true);
});

test('only the files with figures of an AMD GPU are read', async () => {
  const { scanner, asked, become, device } = await changing(amd(100));
  become(amd(4096));
  assert.equal(await scanner.refresh(), false);
  assert.deepEqual([device()?.memoryUsed?.value, device()?.utilisation?.value], [4096, 7]);
  assert.deepEqual(asked, [
    'folder /sys/bus/pci/drivers/amdgpu',
    `file ${card}/mem_info_vram_used`,
    `file ${card}/gpu_busy_percent`,
    `folder ${card}/hwmon`,
  ]);
  become(amd(undefined));
  assert.equal(await scanner.refresh(), true, 'it does not answer');
});

test('an AMD GPU that leaves the bus is missing', async () => {
  const { scanner, become } = await changing(amd(100));
  become(amd(100, []));
  assert.equal(await scanner.refresh(), true);
  assert.match(scanner.latest?.missing[0] ?? '', /is gone$/);
});

test('the sensors of an Intel GPU are read, and one that no longer answers causes a scan', async () => {
  const { scanner, become, device } = await changing(intel(20_000_000));
  become(intel(35_000_000));
  assert.equal(await scanner.refresh(), false);
  assert.equal(device()?.power?.value, 35);
  become(intel(undefined));
  assert.equal(await scanner.refresh(), true);
});

test('a refresh of a machine without GPUs asks nothing', async () => {
  const { scanner, asked } = await changing({});
  assert.equal(await scanner.refresh(), false);
  assert.deepEqual(asked, []);
});
