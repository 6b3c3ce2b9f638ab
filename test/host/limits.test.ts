// Tests the limits by control groups and CPU affinity, from the files of both versions and from the native probe.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { readMemoryInUse } from '../../agent/host/control-group.ts';
import { readLimits, usableCpus } from '../../agent/host/limits.ts';
import { offerableHardware, surveyMachine, usableMemory } from '../../agent/host/machine.ts';
import { Replay } from '../../agent/host/recording/replay.ts';
import { newFolder } from '../support/temporary.ts';
import { fakeMachine, loadMachine } from './machines.ts';

const gib = 2 ** 30;
const root = 'file /sys/fs/cgroup';
const limits = async (answers: Record<string, unknown>) => {
  const { memory, memoryUsed, quota, affinity } = await readLimits(fakeMachine({ answers }));
  return { memory: memory?.value, memoryUsed, quota: quota?.value, affinity: affinity?.value };
};
const none = { memory: undefined, memoryUsed: undefined, quota: undefined, affinity: undefined };

test('without a limit in any file there are no limits', async () => {
  assert.deepEqual(await limits({}), none);
  assert.deepEqual(
    await limits({
      'file /proc/self/cgroup': '0::/a',
      [`${root}/a/memory.max`]: 'max',
      [`${root}/a/cpu.max`]: 'max 100000',
    }),
    none,
  );
});

test('in version 2 the tightest limit of all groups up to the root counts', async () => {
  assert.deepEqual(
    await limits({
      'file /proc/self/cgroup': '0::/system.slice/muster.service',
      [`${root}/system.slice/muster.service/memory.max`]: String(8 * gib),
      [`${root}/system.slice/memory.max`]: String(4 * gib),
      [`${root}/system.slice/memory.current`]: String(3 * gib),
      [`${root}/system.slice/memory.stat`]: `anon 5\ninactive_file ${gib}\nactive_file 7`,
      [`${root}/system.slice/muster.service/cpu.max`]: '150000 100000',
      [`${root}/cpu.max`]: 'max 100000',
    }),
    { ...none, memory: 4 * gib, memoryUsed: 2 * gib, quota: 1.5 },
  );
});

test('the memory in use is read again on each call, in both versions', async () => {
  const folder = await newFolder();
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  const now = (name: string) => readMemoryInUse({ memoryFile: join(folder, name) });
  assert.deepEqual([now('memory.max'), readMemoryInUse({})], [undefined, undefined]);
  for (const used of [3, 5]) {
    await write('memory.current', `${used * gib}\n`);
    await write('memory.usage_in_bytes', `${used * gib + 1}\n`);
    await write('memory.stat', `inactive_file ${gib}\ntotal_inactive_file ${2 * gib}\n`);
    assert.equal(now('memory.max'), (used - 1) * gib);
    assert.equal(now('memory.limit_in_bytes'), (used - 2) * gib + 1);
  }
});

test('the limits name the file of the memory limit', async () => {
  const file = '/sys/fs/cgroup/a/memory.max';
  const answers = { 'file /proc/self/cgroup': '0::/a', [`file ${file}`]: '4096' };
  assert.equal((await readLimits(fakeMachine({ answers }))).memoryFile, file);
});

test('in version 1 each controller has its own hierarchy, and an impossible size means no limit', async () => {
  const groups = '12:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/docker/1\n0::/docker/1';
  assert.deepEqual(
    await limits({
      'file /proc/self/cgroup': groups,
      [`${root}/memory/docker/1/memory.limit_in_bytes`]: String(4 * gib),
      [`${root}/memory/docker/1/memory.usage_in_bytes`]: String(gib),
      [`${root}/memory/docker/1/memory.stat`]: 'cache 9\ntotal_inactive_file 1024',
      [`${root}/memory/memory.limit_in_bytes`]: '9223372036854771712',
      [`${root}/cpu,cpuacct/docker/1/cpu.cfs_quota_us`]: '200000',
      [`${root}/cpu,cpuacct/docker/1/cpu.cfs_period_us`]: '100000',
    }),
    { ...none, memory: 4 * gib, memoryUsed: gib - 1024, quota: 2 },
  );
  assert.deepEqual(
    await limits({
      'file /proc/self/cgroup': groups,
      [`${root}/memory/memory.limit_in_bytes`]: '9223372036854771712',
      [`${root}/cpu/cpu.cfs_quota_us`]: '-1',
      [`${root}/cpu/cpu.cfs_period_us`]: '100000',
    }),
    none,
  );
});

test('a container whose own group is mounted as the root has its limits', async () => {
  const own = await limits({
    'file /proc/self/cgroup': '0::/../../docker/0123',
    [`${root}/memory.max`]: String(gib),
    [`${root}/cpu.max`]: '50000 100000',
  });
  assert.deepEqual([own.memory, own.quota], [gib, 0.5]);
});

test('the CPU affinity is read as the kernel lists it', async () => {
  const affinity = async (list: string) =>
    (await limits({ 'file /proc/self/status': `Name:\tx\nCpus_allowed_list:\t${list}` })).affinity;
  assert.equal(await affinity('0-3,8,10-11'), 7);
  assert.equal(await affinity('5'), 1);
  assert.equal(await affinity('all'), undefined);
});

test('the native probe is one source among others, or the only one', async () => {
  const cgroup = { version: 2, memoryLimit: gib, memoryUsed: 5, cpuLimit: 2, affinity: 4 };
  assert.deepEqual(await limits({ cgroup }), { memory: gib, memoryUsed: 5, quota: 2, affinity: 4 });
  const both = await readLimits(
    fakeMachine({
      answers: { cgroup, 'file /proc/self/cgroup': '0::/', [`${root}/memory.max`]: String(2 * gib) },
    }),
  );
  assert.equal(
    both.memory?.disagreement,
    'native probe: 1073741824 bytes; /sys/fs/cgroup/memory.max: 2147483648 bytes; using native probe',
  );
});

test('the native probe finds tighter limits when the group is deeper in the mount than its name says', async () => {
  const cgroup = { version: 1, memoryLimit: 2 * gib, memoryUsed: 5, cpuLimit: 1, affinity: 4 };
  const answers = {
    cgroup,
    'file /proc/self/cgroup': '4:memory:/docker/1/svc\n2:cpu:/docker/1/svc',
    [`${root}/memory/memory.limit_in_bytes`]: String(4 * gib),
    [`${root}/memory/memory.usage_in_bytes`]: String(gib),
    [`${root}/cpu/cpu.cfs_quota_us`]: '200000',
    [`${root}/cpu/cpu.cfs_period_us`]: '100000',
  };
  assert.deepEqual(await limits(answers), { memory: 2 * gib, memoryUsed: 5, quota: 1, affinity: 4 });
});

test('the smallest limit counts, and never more CPUs than there are', () => {
  const fact = (value: number) => ({ value, source: 'x', took: 0, readAt: '', others: [] });
  assert.equal(usableCpus(64, {}), 64);
  assert.equal(usableCpus(64, { affinity: fact(8), quota: fact(2.5) }), 2.5);
  assert.equal(usableCpus(2, { quota: fact(16) }), 2);
});

test('a container with 2 CPUs and 4 GiB on a large host offers a part of 2 CPUs and 4 GiB', async () => {
  const machine = await surveyMachine(new Replay(await loadMachine('container-cgroup-v2')));
  const { cpus, memoryBytes } = offerableHardware(machine);
  assert.deepEqual([machine.facts.cpus.value, cpus, memoryBytes], [64, 2, 4 * gib]);
  const now = usableMemory(machine);
  assert.deepEqual(now, { total: 4 * gib, available: 4 * gib - (1_503_238_553 - 429_916_160) });
});

test('for any content of the files, a limit is a positive number or absent', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'max',
      '-1',
      '0',
      '0 0',
      'max 0',
      '100000 0',
      '1e9 1',
      `${2 ** 70}`,
      '4:memory:/a:b',
      '0::/a\n0::/b',
    ),
  );
  const files = [
    '/proc/self/cgroup',
    '/proc/self/status',
    ...['memory.max', 'memory.current', 'memory.stat', 'cpu.max', 'memory/memory.limit_in_bytes'].map(
      name => `/sys/fs/cgroup/${name}`,
    ),
  ].map(path => `file ${path}`);
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.constantFrom(...files), text), async answers => {
      for (const value of Object.values(await limits(answers))) {
        assert.ok(value === undefined || (Number.isFinite(value) && value >= 0), `${value}`);
      }
    }),
  );
});
