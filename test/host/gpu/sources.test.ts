// Tests that each GPU source reads what its vendor writes, in the forms of all versions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { amdgpu } from '../../../agent/host/gpu/amdgpu.ts';
import type { ReportedGpu } from '../../../agent/host/gpu/gpu.ts';
import { intel } from '../../../agent/host/gpu/intel.ts';
import { nvidiaProcfs } from '../../../agent/host/gpu/nvidia-procfs.ts';
import { nvidiaSmi } from '../../../agent/host/gpu/nvidia-smi.ts';
import { nvml } from '../../../agent/host/gpu/nvml.ts';
import { pci } from '../../../agent/host/gpu/pci.ts';
import { rocmSmi } from '../../../agent/host/gpu/rocm-smi.ts';
import { systemProfiler } from '../../../agent/host/gpu/system-profiler.ts';
import { xpuSmi } from '../../../agent/host/gpu/xpu-smi.ts';
import { fakeMachine, toolOutput } from '../machines.ts';

const csv = '--format=csv,noheader,nounits';
const fullQuestion = `tool nvidia-smi --query-gpu=index,uuid,name,pci.bus_id,memory.total,memory.used,driver_version,utilization.gpu,temperature.gpu,power.draw,ecc.errors.uncorrected.volatile.total,mig.mode.current ${csv}`;
const shortQuestion = `tool nvidia-smi --query-gpu=index,uuid,name,pci.bus_id,memory.total ${csv}`;
const rocmQuestion =
  'tool rocm-smi --showproductname --showbus --showmeminfo vram --showuse --showtemp --showpower --showdriverversion --json';
const device = (address: string, name: string) => `file /sys/bus/pci/devices/${address}/${name}`;

/** Returns the properties of the GPU that are not undefined. */
const known = ({ ...properties }: ReportedGpu) =>
  Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined));

test('nvml: bytes become MiB, parts of a split GPU are read, and the error of a call costs one property', async () => {
  const { sightings } = await nvml.read(
    fakeMachine({
      answers: {
        nvml: {
          driverVersion: '550.54.15',
          cudaVersion: '12.4',
          gpus: [
            {
              index: 0,
              name: 'NVIDIA A100-SXM4-40GB',
              pciAddress: '0000:4e:00.0',
              memoryTotal: 42_949_672_960,
              mig: true,
              migInstances: [{ index: 1, uuid: 'MIG-1', name: 'MIG 3g.20gb', memoryTotal: 20_937_965_568 }],
              errors: [{ call: 'nvmlDeviceGetUtilizationRates', error: 'NVML_ERROR_NOT_SUPPORTED' }],
            },
          ],
        },
      },
    }),
  );
  assert.deepEqual(sightings.map(known), [
    {
      vendor: 'NVIDIA',
      address: '0000:4e:00.0',
      index: 0,
      name: 'NVIDIA A100-SXM4-40GB',
      memory: 40_960,
      driverVersion: '550.54.15',
      cuda: '12.4',
      mig: [{ index: 1, name: 'MIG 3g.20gb', uuid: 'MIG-1', memory: 19_968 }],
      computes: true,
    },
  ]);
});

test('nvml: a GPU that fell off the bus is broken', async () => {
  const lost = { index: 0, errors: [{ call: 'nvmlDeviceGetMemoryInfo', error: 'NVML_ERROR_GPU_IS_LOST' }] };
  const { sightings } = await nvml.read(fakeMachine({ answers: { nvml: { gpus: [lost] } } }));
  assert.match(sightings[0]?.broken ?? '', /fell off the bus/);
});

test('nvml: a GPU that cannot be opened is broken, with the error', async () => {
  const opening = (call: string) => ({ index: 0, errors: [{ call, error: 'NVML_ERROR_UNKNOWN' }] });
  const gpus = [opening('nvmlDeviceGetHandleByIndex_v2'), opening('nvmlDeviceGetHandleByIndex')];
  const { sightings } = await nvml.read(fakeMachine({ answers: { nvml: { gpus } } }));
  const broken = 'the driver does not open it: NVML_ERROR_UNKNOWN';
  assert.deepEqual(
    sightings.map(gpu => gpu.broken),
    [broken, broken],
  );
});

const information = (more: string) =>
  `Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 10\nBus Location: \t 0000:62:00.0\nDevice Minor: \t 5\n${more}`;

test('nvidia procfs: the model, the UUID and the versions of both kernel modules are read', async () => {
  const read = async (version: string, more: string) => {
    const { sightings } = await nvidiaProcfs.read(
      fakeMachine({
        answers: {
          'folder /proc/driver/nvidia/gpus': ['0000:62:00.0', 'not-an-address'],
          'file /proc/driver/nvidia/version': version,
          'file /proc/driver/nvidia/gpus/0000:62:00.0/information': information(more),
        },
      }),
    );
    assert.equal(sightings.length, 1);
    return known(sightings[0] ?? {});
  };
  assert.deepEqual(
    await read(
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version:  12',
      'GPU UUID: \t GPU-9221d5d1-b60b-a624-bf14-0a1819cfda3b\nGPU Excluded:\t No',
    ),
    {
      vendor: 'NVIDIA',
      address: '0000:62:00.0',
      name: 'NVIDIA H100 80GB HBM3',
      uuid: 'GPU-9221d5d1-b60b-a624-bf14-0a1819cfda3b',
      driver: 'nvidia',
      driverVersion: '550.54.15',
      computes: true,
    },
  );
  const open = await read(
    'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.84  Release Build',
    'GPU UUID: \t GPU-????????-????-????-????-????????????\nGPU Excluded:\t Yes',
  );
  assert.equal(open.driverVersion, '595.84');
  assert.equal(open.uuid, undefined);
  assert.match(String(open.broken), /leave it out/);
});

test('nvidia-smi: the samples of Bacalhau are read, with more fields', async () => {
  const { sightings } = await nvidiaSmi.read(
    fakeMachine({
      answers: {
        [fullQuestion]: toolOutput(
          '0, GPU-1, Tesla T4, 00000000:00:1E.0, 15360, 2, 550.54.15, 7, 33, 9.12, 0, [N/A]\n' +
            '1, GPU-2, Tesla T1, 00000000:00:1F.0, 12345, [N/A], 550.54.15, [Not Supported], [N/A], [Unknown Error], [N/A], Disabled\n',
        ),
      },
    }),
  );
  assert.deepEqual(known(sightings[0] ?? {}), {
    vendor: 'NVIDIA',
    address: '0000:00:1e.0',
    index: 0,
    uuid: 'GPU-1',
    name: 'Tesla T4',
    memory: 15_360,
    memoryUsed: 2,
    driverVersion: '550.54.15',
    utilisation: 7,
    temperature: 33,
    power: 9.1,
    eccErrors: 0,
    computes: true,
  });
  assert.deepEqual(known(sightings[1] ?? {}), {
    vendor: 'NVIDIA',
    address: '0000:00:1f.0',
    index: 1,
    uuid: 'GPU-2',
    name: 'Tesla T1',
    memory: 12_345,
    driverVersion: '550.54.15',
    computes: true,
  });
});

test('nvidia-smi: an old tool that refuses a field is asked for fewer fields', async () => {
  const { sightings, fault } = await nvidiaSmi.read(
    fakeMachine({
      answers: {
        [fullQuestion]: toolOutput('Field "mig.mode.current" is not a valid field to query.\n\n', 2),
        [shortQuestion]: toolOutput('0, GPU-1, Tesla K80, 00000000:00:1E.0, 11441\n'),
      },
    }),
  );
  assert.equal(fault, undefined);
  assert.deepEqual([sightings[0]?.name, sightings[0]?.memory], ['Tesla K80', 11_441]);
});

test('nvidia-smi: a failure is a fault with the output of the tool', async () => {
  const { sightings, fault } = await nvidiaSmi.read(
    fakeMachine({
      answers: { [fullQuestion]: toolOutput("NVIDIA-SMI couldn't find libnvidia-ml.so\n", 12) },
    }),
  );
  assert.deepEqual(sightings, []);
  assert.deepEqual(fault, {
    kind: 'failed',
    reason: "ended with status 12: NVIDIA-SMI couldn't find libnvidia-ml.so",
  });
});

test('nvidia-smi: a comma in a name, a lost GPU and other lines are understood', async () => {
  const { sightings } = await nvidiaSmi.read(
    fakeMachine({
      answers: {
        [fullQuestion]: toolOutput(
          'Unable to determine the device handle for GPU 0000:4E:00.0: Unknown Error\n' +
            '0, GPU-1, Quadro, by NVIDIA, 00000000:01:00.0, 8192, 1, 550.1, 0, 30, 5.00, 0, [N/A]\n' +
            '1, GPU-2, Tesla T4, 00000000:02:00.0, [GPU is lost], [GPU is lost], 550.1, [GPU is lost], 30, 5.00, 0, [N/A]\n',
        ),
      },
    }),
  );
  assert.deepEqual(
    sightings.map(({ name, broken }) => [name, broken !== undefined]),
    [
      ['Quadro, by NVIDIA', false],
      ['Tesla T4', true],
    ],
  );
});

test('nvidia-smi: the parts of a split GPU are read from the list', async () => {
  const { sightings } = await nvidiaSmi.read(
    fakeMachine({
      answers: {
        [fullQuestion]: toolOutput(
          '0, GPU-0, A100, 00000000:01:00.0, 40960, 1, 550.1, 0, 30, 5.00, 0, Disabled\n' +
            '1, GPU-1, A100, 00000000:02:00.0, 40960, 1, 550.1, [N/A], 30, 5.00, 0, Enabled\n',
        ),
        'tool nvidia-smi -L': toolOutput(
          'GPU 0: A100 (UUID: GPU-0)\nGPU 1: A100 (UUID: GPU-1)\n' +
            '  MIG 3g.20gb     Device  0: (UUID: MIG-a)\n  MIG 1g.5gb      Device  1: (UUID: MIG-b)\n',
        ),
      },
    }),
  );
  assert.equal(sightings[0]?.mig, undefined);
  assert.deepEqual(sightings[1]?.mig, [
    { index: 0, name: 'MIG 3g.20gb', uuid: 'MIG-a' },
    { index: 1, name: 'MIG 1g.5gb', uuid: 'MIG-b' },
  ]);
});

test('amdgpu: memory, load, sensors and errors are read from the files of the driver', async () => {
  const at = '0000:03:00.0';
  const { sightings } = await amdgpu.read(
    fakeMachine({
      answers: {
        'folder /sys/bus/pci/drivers/amdgpu': [at, 'bind', 'module', 'unbind'],
        [device(at, 'mem_info_vram_total')]: '8573157376',
        [device(at, 'mem_info_vram_used')]: '1490378752',
        [device(at, 'gpu_busy_percent')]: '4',
        [device(at, 'ras/umc_err_count')]: 'ue: 1\nce: 20',
        [`folder /sys/bus/pci/devices/${at}/hwmon`]: ['hwmon3'],
        [device(at, 'hwmon/hwmon3/temp1_input')]: '41500',
        [device(at, 'hwmon/hwmon3/power1_input')]: '27000000',
      },
    }),
  );
  assert.deepEqual(sightings.map(known), [
    {
      vendor: 'AMD/ATI',
      address: at,
      memory: 8176,
      memoryUsed: 1421,
      driver: 'amdgpu',
      utilisation: 4,
      temperature: 41.5,
      power: 27,
      eccErrors: 1,
      computes: true,
    },
  ]);
});

test('rocm-smi: the sample of Bacalhau and the names of later versions are read', async () => {
  const read = async (json: unknown) =>
    (
      await rocmSmi.read(
        fakeMachine({
          answers: { [rocmQuestion]: toolOutput(`WARNING: low power\n${JSON.stringify(json)}\n`) },
        }),
      )
    ).sightings;
  const old = await read({
    card0: {
      'PCI Bus': '0000:E7:00.0',
      'VRAM Total Memory (B)': '68702699520',
      'VRAM Total Used Memory (B)': '10960896',
      'Card series': 'Instinct MI210',
      'Card model': '0x0c34',
      'Card vendor': 'Advanced Micro Devices, Inc. [AMD/ATI]',
      'Card SKU': 'D67301',
    },
  });
  assert.deepEqual(old.map(known), [
    {
      vendor: 'AMD/ATI',
      address: '0000:e7:00.0',
      index: 0,
      name: 'Instinct MI210',
      memory: 65_520,
      memoryUsed: 10,
      computes: true,
    },
  ]);
  const later = await read({
    card10: { 'Card Series': 'N/A' },
    card2: {
      'Card Series': 'AMD Radeon RX 7900 XTX',
      'GPU use (%)': '45',
      'Temperature (Sensor junction) (C)': '72.0',
      'Current Socket Graphics Package Power (W)': '180.5',
    },
    system: { 'Driver version': '6.7.0' },
  });
  assert.deepEqual(later.map(known), [
    {
      vendor: 'AMD/ATI',
      index: 2,
      name: 'AMD Radeon RX 7900 XTX',
      utilisation: 45,
      temperature: 72,
      power: 180.5,
      driverVersion: '6.7.0',
      computes: true,
    },
    { vendor: 'AMD/ATI', index: 10, driverVersion: '6.7.0', computes: true },
  ]);
});

test('rocm-smi: output that is no JSON is a fault', async () => {
  const { fault } = await rocmSmi.read(
    fakeMachine({
      answers: {
        [rocmQuestion]: toolOutput('ERROR:root:Driver not initialized (amdgpu not found in modules)\n', 1),
      },
    }),
  );
  assert.equal(fault?.kind, 'failed');
  assert.match(fault?.reason ?? '', /status 1 and no JSON: ERROR:root:Driver not initialized/);
});

test("intel: xe gives each tile's memory, Intel's i915 gives the card's, and the kernel's i915 gives none", async () => {
  const [integrated, arc, own, tiles] = ['0000:00:02.0', '0000:03:00.0', '0000:04:00.0', '0000:05:00.0'];
  const { sightings } = await intel.read(
    fakeMachine({
      answers: {
        'folder /sys/bus/pci/drivers/i915': [integrated, arc, own, 'bind'],
        'folder /sys/bus/pci/drivers/xe': [tiles],
        [`folder /sys/bus/pci/devices/${own}/drm`]: ['card2', 'renderD130'],
        [device(own, 'drm/card2/lmem_total_bytes')]: '17179869184',
        [device(tiles, 'tile0/physical_vram_size_bytes')]: '68719476736',
        [device(tiles, 'tile1/physical_vram_size_bytes')]: '68719476736',
        [`folder /sys/bus/pci/devices/${tiles}/hwmon`]: ['hwmon2'],
        [device(tiles, 'hwmon/hwmon2/temp1_input')]: '99000',
        [device(tiles, 'hwmon/hwmon2/temp2_input')]: '50000',
      },
    }),
  );
  assert.deepEqual(
    sightings.map(({ address, memory, computes, temperature }) => [address, memory, computes, temperature]),
    [
      [integrated, undefined, false, undefined],
      [arc, undefined, true, undefined],
      [own, 16_384, true, undefined],
      [tiles, 131_072, true, 50],
    ],
  );
  assert.match(sightings[0]?.doubt ?? '', /integrated graphics/);
});

test('xpu-smi: the samples of Bacalhau are read', async () => {
  const listed = {
    device_function_type: 'physical',
    device_id: 0,
    device_name: 'Intel Corporation Device 56c1 (rev 05)',
    pci_bdf_address: '0000:e9:00.0',
    uuid: '00000000-0000-0000-9fa4-990c9e0150e4',
  };
  const { sightings, fault } = await xpuSmi.read(
    fakeMachine({
      answers: {
        'tool xpu-smi discovery --json': toolOutput(JSON.stringify({ device_list: [listed] })),
        'tool xpu-smi discovery --json --device 0': toolOutput(
          JSON.stringify({
            ...listed,
            driver_version: 'I915_23.5.19_PSB_230406.21',
            memory_free_size_byte: '5287350272',
            memory_physical_size_byte: '5314183168',
          }),
        ),
      },
    }),
  );
  assert.equal(fault, undefined);
  assert.deepEqual(sightings.map(known), [
    {
      vendor: 'Intel',
      address: '0000:e9:00.0',
      index: 0,
      uuid: '00000000-0000-0000-9fa4-990c9e0150e4',
      name: 'Intel Corporation Device 56c1 (rev 05)',
      memory: 5068,
      memoryUsed: 25,
      driverVersion: 'I915_23.5.19_PSB_230406.21',
      computes: true,
    },
  ]);
});

test('xpu-smi: without devices there is a fault with the reason', async () => {
  const { fault } = await xpuSmi.read(
    fakeMachine({
      answers: { 'tool xpu-smi discovery --json': toolOutput('{"error": "No device discovered"}', 21) },
    }),
  );
  assert.match(fault?.reason ?? '', /no list of devices: No device discovered$/);
});

test('macOS: the GPUs of the inventory are read, with the memory of the machine as shared memory', async () => {
  const inventory = {
    takenAt: '2026-01-01T00:00:00.000Z',
    cpu: {},
    memory: 38_654_705_664,
    os: {},
    graphics: [{ vendor: 'Apple', model: 'Apple M3 Pro', cores: 18 }],
  };
  const { sightings } = await systemProfiler.read(
    fakeMachine({ system: { platform: 'darwin' }, answers: { inventory } }),
  );
  assert.deepEqual(sightings.map(known), [
    { vendor: 'Apple', index: 0, name: 'Apple M3 Pro', sharedMemory: 36_864, cores: 18, computes: true },
  ]);
  const elsewhere = await systemProfiler.read(fakeMachine({ answers: { inventory } }));
  assert.deepEqual([elsewhere.sightings, elsewhere.fault?.kind], [[], 'absent']);
});

const display = (at: string, more: Record<string, string> = {}) => ({
  [device(at, 'class')]: '0x030000',
  [device(at, 'vendor')]: '0x10de',
  [device(at, 'device')]: '0x2684',
  ...more,
});

test('PCI: display controllers of all vendors and the accelerators of AMD are reported, nothing else', async () => {
  const found = async (kind: string, vendor: string) => {
    const at = '0000:01:00.0';
    const { sightings } = await pci.read(
      fakeMachine({
        answers: {
          'folder /sys/bus/pci/devices': [at],
          ...display(at, { [device(at, 'class')]: kind, [device(at, 'vendor')]: vendor }),
        },
      }),
    );
    return sightings.length === 1;
  };
  assert.ok(await found('0x030000', '0x10de'));
  assert.ok(await found('0x030200', '0x10de'));
  assert.ok(await found('0x038000', '0x1a03'));
  assert.ok(await found('0x120000', '0x1002'));
  assert.ok(!(await found('0x120000', '0x8086')));
  assert.ok(!(await found('0x020000', '0x10de')));
  assert.ok(!(await found('display', '0x10de')));
});

test('PCI: a GPU has the reason that belongs to its driver, or to having no driver', async () => {
  const doubt = async (driver: string | undefined, vendor = '0x10de') => {
    const at = '0000:01:00.0';
    const link = { [`link /sys/bus/pci/devices/${at}/driver`]: `../../../../bus/pci/drivers/${driver}` };
    const { sightings } = await pci.read(
      fakeMachine({
        answers: {
          'folder /sys/bus/pci/devices': [at],
          ...display(at, { [device(at, 'vendor')]: vendor }),
          ...(driver ? link : {}),
        },
      }),
    );
    return sightings[0]?.doubt ?? '';
  };
  assert.equal(await doubt(undefined), 'no driver is bound to it');
  assert.match(await doubt(undefined, '0x1a03'), /display adapter/);
  assert.match(await doubt('vfio-pci'), /set aside for a virtual machine/);
  assert.match(await doubt('nouveau'), /nouveau, does not compute/);
  assert.match(await doubt('ast', '0x1a03'), /display adapter \(ast\)/);
  assert.match(await doubt('nvidia'), /nvidia, does not list it/);
});

test('PCI: the name is read from the database and the aperture from the regions', async () => {
  const at = '0000:01:00.0';
  const regions = [
    '0x00000000fb000000 0x00000000fbffffff 0x0000000000040200',
    '0x0000006000000000 0x000000600fffffff 0x000000000014220c',
    '0x0000000000000000 0x0000000000000000 0x0000000000000000',
    '0x0000006010000000 0x0000006011ffffff 0x000000000014220c',
    'nonsense',
  ];
  const { sightings } = await pci.read(
    fakeMachine({
      answers: {
        'folder /sys/bus/pci/devices': [at],
        ...display(at, { [device(at, 'resource')]: regions.join('\n') }),
        'pci 10de:2684': { vendor: 'NVIDIA Corporation', device: 'AD102 [GeForce RTX 4090]' },
      },
    }),
  );
  assert.deepEqual([sightings[0]?.name, sightings[0]?.aperture], ['GeForce RTX 4090', 256]);
});
