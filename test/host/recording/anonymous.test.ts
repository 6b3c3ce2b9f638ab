// Tests that a recording is made anonymous: ids are replaced, equal ids by equal replacements, and nothing else changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anonymous } from '../../../agent/host/recording/anonymous.ts';
import { fakeRecording } from '../machines.ts';

const replaced = (text: string, hostname = 'worker-7.example.com') =>
  anonymous(fakeRecording({ answers: { x: text }, system: { hostname } })).answers.x;

test('UUIDs are replaced, also inside words, and equal ones by the same UUID', () => {
  const one = '9221d5d1-b60b-a624-bf14-0a1819cfda3b';
  const other = 'E07A497D-1BB6-5A42-B670-1C33BF55AB6E';
  assert.equal(
    replaced(`GPU-${one}, MIG-${other}, GPU-${one.toUpperCase()}`),
    'GPU-00000000-0000-4000-8000-000000000001, MIG-00000000-0000-4000-8000-000000000002, GPU-00000000-0000-4000-8000-000000000001',
  );
});

test('ids of pods and containers are replaced in the names of control groups', () => {
  const id = '9221d5d1-b60b-a624-bf14-0a1819cfda3b';
  assert.equal(
    replaced(`/kubepods/pod${id} /kubepods-pod${id.replaceAll('-', '_')}.slice`),
    '/kubepods/pod00000000-0000-4000-8000-000000000001 /kubepods-pod00000000_0000_4000_8000_000000000001.slice',
  );
  const long = 'ab12'.repeat(16);
  assert.equal(replaced(`/pod_${long}`), `/pod_${'1'.padStart(64, '0')}`);
});

test('MAC addresses and long ids are replaced, but not PCI addresses, masks or sizes', () => {
  assert.equal(replaced('link/ether 52:54:00:ab:cd:ef'), 'link/ether 02:00:00:00:00:01');
  assert.equal(
    replaced(`4:memory:/docker/${'ab12'.repeat(16)}`),
    `4:memory:/docker/${'1'.padStart(64, '0')}`,
  );
  for (const text of [
    'Bus Location: 0000:62:00.0',
    'DMA Mask: 0xfffffffffffff',
    '0x0000006000000000 0x000000600fffffff 0x000000000014220c',
    'MemTotal:       24684096 kB',
    '0000:4B:00.0, 40960',
  ]) {
    assert.equal(replaced(text), text);
  }
});

test('serial numbers are replaced in every form that tools write, but not a value for "none"', () => {
  assert.equal(
    replaced('"serial_number": "1563221012345", "sku": "x"'),
    '"serial_number": "replaced", "sku": "x"',
  );
  assert.equal(replaced('Serial Number : 1563221\nModel: T4'), 'Serial Number : replaced\nModel: T4');
  assert.equal(replaced('0000:09:00.0 --> SN: 01-000206-07SCC2 --> x'), '0000:09:00.0 --> SN: replaced');
  assert.equal(replaced('{"Unique ID": "0x1234567890"}'), '{"Unique ID": "replaced"}');
  assert.equal(replaced('"serial_number": "unknown"'), '"serial_number": "unknown"');
});

test('JSON with serial numbers that are numbers stays valid JSON', () => {
  for (const [said, kept] of [
    ['{"serial_number": 1563221012345, "sku": "x"}', '{"serial_number": "replaced", "sku": "x"}'],
    ['[{"Serial Number":-1.5e7}]', '[{"Serial Number":"replaced"}]'],
    [
      '{"serial": {"serial_number": 15}, "SN": [15, 0]}',
      '{"serial": {"serial_number": "replaced"}, "SN": ["replaced", 0]}',
    ],
    ['{"serial_number": null}', '{"serial_number": null}'],
    ['{"serial_number": 0}', '{"serial_number": 0}'],
    ['{\n  "serial_number": 15\n}', '{\n  "serial_number": "replaced"\n}'],
  ] as const) {
    assert.equal(replaced(said), kept);
    JSON.parse(kept);
  }
});

test('the host name and its first part are replaced where they stand as a word', () => {
  assert.equal(replaced('kernel of WORKER-7.example.com'), 'kernel of host-1');
  assert.equal(replaced('worker-7 worker-71 my-worker-7'), 'host-1 worker-71 my-worker-7');
  assert.equal(replaced('Linux vm', 'vm'), 'Linux vm');
  assert.equal(replaced('localhost', 'localhost'), 'localhost');
  assert.equal(replaced('/lxc/locals-gpu-3', 'locals-gpu-3'), '/lxc/host-1');
  assert.equal(anonymous(fakeRecording({})).system.hostname, 'host-1');
});

test('a host name that is also a common word is not replaced', () => {
  const machine = (hostname: string) =>
    fakeRecording({
      system: { hostname },
      answers: {
        'file /etc/os-release': 'NAME="Debian GNU/Linux"',
        'file /proc/driver/nvidia/version': 'NVRM version',
        inventory: { os: { distro: 'Debian GNU/Linux' } },
        nvml: { gpus: [] },
      },
    });
  for (const hostname of ['debian', 'nvidia', 'nvml', 'inventory', 'linux.example.com'])
    assert.deepEqual(anonymous(machine(hostname)).answers, machine(hostname).answers, hostname);
});

test('the host name is replaced in the names of control groups, however it is joined and escaped', () => {
  const file = String.raw`/sys/fs/cgroup/machine.slice/machine-lxc\x2d7\x2dgpu\x2dbox.scope/memory.max`;
  const { answers } = anonymous(
    fakeRecording({
      system: { hostname: 'gpu-box' },
      answers: {
        'file /proc/self/cgroup': String.raw`0::/machine.slice/machine-lxc\x2d7\x2dgpu\x2dbox.scope`,
        [`file ${file}`]: '4294967296',
        cgroup: { memorySource: file },
        slurm: '4:memory:/slurm_gpu-box/uid_1000\n0::/system.slice/GPU-BOX_slurmstepd.scope/gpu-boxes',
      },
    }),
  );
  const other = String.raw`/sys/fs/cgroup/machine.slice/machine-lxc\x2d7\x2dhost-1.scope/memory.max`;
  assert.deepEqual(answers, {
    'file /proc/self/cgroup': String.raw`0::/machine.slice/machine-lxc\x2d7\x2dhost-1.scope`,
    [`file ${other}`]: '4294967296',
    cgroup: { memorySource: other },
    slurm: '4:memory:/slurm_host-1/uid_1000\n0::/system.slice/host-1_slurmstepd.scope/gpu-boxes',
  });
});

test('ids are replaced in questions, too', () => {
  const id = 'ab12'.repeat(16);
  const path = `file /sys/fs/cgroup/memory/docker/${id}/memory.limit_in_bytes`;
  const { answers, took, faults } = anonymous(
    fakeRecording({
      answers: { 'file /proc/self/cgroup': `4:memory:/docker/${id}`, [path]: '1' },
      took: { [path]: 3 },
      faults: { [path]: { kind: 'late', reason: `of ${id}` } },
    }),
  );
  const other = '1'.padStart(64, '0');
  assert.equal(answers['file /proc/self/cgroup'], `4:memory:/docker/${other}`);
  const key = path.replace(id, other);
  assert.deepEqual([Object.hasOwn(answers, key), took[key], faults[key]?.reason], [true, 3, `of ${other}`]);
});

test('the ids of an instance and a project of a cloud are replaced', () => {
  const get = 'metadata GET http://169.254.169.254';
  const { answers } = anonymous(
    fakeRecording({
      answers: {
        [`${get}/latest/meta-data/instance-id`]: 'i-0123456789abcdef0',
        [`${get}/latest/meta-data/instance-type`]: 'p5.48xlarge',
        [`${get}/computeMetadata/v1/instance/zone`]: 'projects/123456789/zones/us-central1-a',
      },
    }),
  );
  assert.deepEqual(Object.values(answers), [
    'i-00000000000000000',
    'p5.48xlarge',
    'projects/1/zones/us-central1-a',
  ]);
});

test('numbers stay, and texts inside lists are replaced', () => {
  const { answers } = anonymous(
    fakeRecording({
      answers: {
        nvml: { gpus: [{ index: 0, uuid: 'GPU-9221d5d1-b60b-a624-bf14-0a1819cfda3b', power: 51.25 }] },
      },
    }),
  );
  assert.deepEqual(answers.nvml, {
    gpus: [{ index: 0, uuid: 'GPU-00000000-0000-4000-8000-000000000001', power: 51.25 }],
  });
});
