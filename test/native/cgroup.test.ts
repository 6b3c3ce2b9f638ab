// Tests the limits of control groups with files that a test makes, and the CPU affinity on this machine.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { newFolder } from '../support/temporary.ts';
import { inChild, probe } from './probe.ts';

const gib = 1024 ** 3;
/** The value that means "no limit" in version 1. */
const unlimited = '9223372036854771712\n';

/** Returns the limits on a machine with `files` below /sys/fs/cgroup, and `self` as /proc/self/cgroup. */
async function limits(self: string, files: Record<string, string | Buffer>) {
  const folder = await newFolder();
  const root = join(folder, 'cgroup');
  await mkdir(root);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  const selfCgroup = join(folder, 'self');
  await writeFile(selfCgroup, self);
  const { affinity, ...found } = probe.cgroup({ root, selfCgroup });
  assert.ok(affinity);
  for (const key of ['memorySource', 'cpuSource', 'cpusetSource'] as const) {
    if (found[key]) found[key] = found[key].replace(`${root}/`, '');
  }
  return found;
}

test('version 2: the tightest limit up to the root counts, with its file', async () => {
  const found = await limits('0::/machine/job/step\n', {
    'cgroup.controllers': 'cpuset cpu io memory pids\n',
    'cpuset.cpus.effective': '0-63\n',
    'machine/memory.max': `${8 * gib}\n`,
    'machine/cpu.max': '400000 100000\n',
    'machine/cpuset.cpus.effective': '0-7\n',
    'machine/job/memory.max': `${4 * gib}\n`,
    'machine/job/memory.current': `${3 * gib}\n`,
    'machine/job/memory.stat': `anon 5\ninactive_anon 7\ninactive_file ${gib}\n`,
    'machine/job/cpu.max': 'max 100000\n',
    'machine/job/step/memory.max': 'max\n',
    'machine/job/step/memory.current': '1\n',
    'machine/job/step/cpu.max': '250000 50000\n',
  });
  assert.deepEqual(found, {
    version: 2,
    memoryLimit: 4 * gib,
    memoryUsed: 2 * gib,
    memorySource: 'machine/job/memory.max',
    cpuLimit: 4,
    cpuSource: 'machine/cpu.max',
    cpuset: 8,
    cpusetSource: 'machine/cpuset.cpus.effective',
  });
});

test('version 2 in a container: its own group is the root', async () => {
  const found = await limits('0::/\n', {
    'memory.max': `${gib}\n`,
    'memory.current': `${gib / 2}\n`,
    'cpu.max': '50000 100000\n',
    'cpuset.cpus.effective': '3,5\n',
  });
  assert.deepEqual(found, {
    version: 2,
    memoryLimit: gib,
    memoryUsed: gib / 2,
    memorySource: 'memory.max',
    cpuLimit: 0.5,
    cpuSource: 'cpu.max',
    cpuset: 2,
    cpusetSource: 'cpuset.cpus.effective',
  });
});

test('version 1: each controller has its own hierarchy, and a group may have the name that it has on the host', async () => {
  const found = await limits(
    '11:cpuset:/docker/abc\n5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc/inner\n0::/\n',
    {
      // The container has only its own part mounted: /docker/abc on the host is the root here.
      'memory/memory.limit_in_bytes': `${2 * gib}\n`,
      'memory/memory.usage_in_bytes': `${gib}\n`,
      'memory/memory.stat': `inactive_file 1\ntotal_inactive_file ${gib / 4}\n`,
      'memory/inner/memory.limit_in_bytes': unlimited,
      'cpu,cpuacct/cpu.cfs_quota_us': '150000\n',
      'cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      'cpuset/cpuset.cpus': '0-1\n',
      'cpuset/cpuset.effective_cpus': '0\n',
    },
  );
  assert.deepEqual(found, {
    version: 1,
    memoryLimit: 2 * gib,
    memoryUsed: 0.75 * gib,
    memorySource: 'memory/memory.limit_in_bytes',
    cpuLimit: 1.5,
    cpuSource: 'cpu,cpuacct/cpu.cfs_quota_us',
    cpuset: 1,
    cpusetSource: 'cpuset/cpuset.effective_cpus',
  });
});

test('with both versions, the limits of a controller are read where the kernel says', async () => {
  const found = await limits('4:memory:/job\n0::/job\n', {
    'memory/job/memory.limit_in_bytes': unlimited,
    'unified/job/memory.max': '4096\n',
    'unified/job/cpu.max': '100000 100000\n',
  });
  assert.deepEqual(found, { version: 1, cpuLimit: 1, cpuSource: 'unified/job/cpu.max' });
});

test('without limits, without groups, or without a mount there are no limits', async () => {
  assert.deepEqual(await limits('0::/job\n', { 'job/memory.max': 'max\n', 'job/cpu.max': 'max 100000\n' }), {
    version: 2,
  });
  assert.deepEqual(
    await limits('4:memory:/\n3:cpu:/\n', {
      'memory/memory.limit_in_bytes': unlimited,
      'cpu/cpu.cfs_quota_us': '-1\n',
      'cpu/cpu.cfs_period_us': '100000\n',
    }),
    { version: 1 },
  );
  assert.deepEqual(await limits('4:memory:/job\n', {}), {});
  assert.deepEqual(await limits('', { 'memory.max': '1\n' }), {});
  const { affinity, ...nothing } = probe.cgroup({ root: '/none', selfCgroup: '/none' });
  assert.ok(affinity);
  assert.deepEqual(nothing, {});
});

test('a group outside this namespace has only the limits of the root', async () => {
  const files = { 'memory.max': '4096\n', 'job/memory.max': '1\n' };
  const found = await limits('0::/../job\n', files);
  assert.equal(found.memoryLimit, 4096);
});

test('nonsense in files is no limit', async () => {
  const broken: fc.Arbitrary<string | Buffer> = fc.oneof(
    fc.constantFrom(
      '',
      '\n',
      'max',
      '-5',
      '1e9',
      '0x10',
      '99999999999999999999999',
      '1 2 3',
      '0 0',
      '100 0',
      '\0',
      '0-',
    ),
    fc.uint8Array({ maxLength: 64 }).map(bytes => Buffer.from(bytes)),
  );
  const isNumber = (value: unknown) =>
    /^\s*\d+\s*$/.test(String(value)) || /^\s*\d+ \d+\s*$/.test(String(value));
  await fc.assert(
    fc.asyncProperty(broken, broken, broken, async (memory, cpu, self) => {
      fc.pre(!isNumber(memory) && !isNumber(cpu));
      const found = await limits('0::/job\n', { 'job/memory.max': memory, 'job/cpu.max': cpu });
      assert.deepEqual(found, { version: 2 });
      await limits(String(self), { 'job/memory.max': memory });
    }),
    {
      numRuns: 50,
      examples: [
        ['+5', '+5 +3', ''],
        ['5\u0085', '5 3\u0085', ''],
      ],
    },
  );
});

test('the affinity is that of the calling thread', async () => {
  assert.equal(probe.cgroup().affinity, os.availableParallelism());
  const pinned = await inChild('console.log(probe.cgroup().affinity)', {}, ['taskset', '-c', '0']);
  assert.deepEqual(pinned, { code: 0, signal: null, stdout: '1\n', stderr: '' });
});
