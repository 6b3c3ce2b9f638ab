// What the machine is, in the words that Bacalhau uses, whatever the machine says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { type FactSources, readHostFacts } from '../../agent/host/host-facts.ts';
import { Disk, readDiskSpace } from '../../agent/host/sample/disk.ts';
import { FakeClock } from '../support/fake-clock.ts';

const disk = () => new Disk(async () => ({ value: { total: 4_096_000, available: 40_960 }, took: 0 }));

const machine: FactSources = {
  arch: 'x64',
  platform: 'linux',
  hostname: () => 'worker-7',
  release: () => '6.12.0',
  availableParallelism: () => 8,
  cpus: () => [{ model: 'AMD EPYC' }],
  totalmem: () => 8 * 2 ** 30,
  osName: async () => ({ pretty: 'Debian GNU/Linux 13 (trixie)' }),
  bootId: async () => '2f6c1f0e-7d5b-4f0c-9d0e-3b1f1d0f8a11\n',
};

test('all that there is to say', async () => {
  assert.deepEqual(await readHostFacts(disk(), machine), {
    hostname: 'worker-7',
    architecture: 'amd64',
    operatingSystem: 'linux',
    kernel: '6.12.0',
    osName: 'Debian GNU/Linux 13 (trixie)',
    cpus: 8,
    cpuModel: 'AMD EPYC',
    memory: 8_589_934_592,
    disk: 4_096_000,
    bootId: '2f6c1f0e-7d5b-4f0c-9d0e-3b1f1d0f8a11',
  });
});

test('architectures and systems have their names in Go', async () => {
  const names = async (arch: string, platform: string) => {
    const facts = await readHostFacts(disk(), { ...machine, arch, platform });
    return `${facts.operatingSystem}/${facts.architecture}`;
  };
  assert.equal(await names('arm64', 'darwin'), 'darwin/arm64');
  assert.equal(await names('ia32', 'win32'), 'windows/386');
  assert.equal(await names('ppc64', 'linux'), 'linux/ppc64le');
  assert.equal(await names('riscv64', 'freebsd'), 'freebsd/riscv64');
});

test('what cannot be found out stays absent', async () => {
  const bare: FactSources = {
    ...machine,
    cpus: () => [],
    osName: async () => ({}),
    bootId: async () => undefined,
  };
  const facts = await readHostFacts(
    new Disk(async () => ({ fault: { kind: 'failed', reason: 'failed: EIO' }, took: 0 })),
    bare,
  );
  assert.deepEqual(
    [facts.cpuModel, facts.osName, facts.disk, facts.bootId],
    [undefined, undefined, undefined, undefined],
  );
  const arm = await readHostFacts(disk(), { ...machine, cpus: () => [{ model: 'unknown' }] });
  assert.equal(arm.cpuModel, undefined);
});

test('a boot id that the kernel did not write is none', async () => {
  for (const id of ['', 'x'.repeat(36), '../../etc/passwd', `${'a'.repeat(4000)}`]) {
    assert.equal((await readHostFacts(disk(), { ...machine, bootId: async () => id })).bootId, undefined);
  }
});

test('hostile names are short and plain', async () => {
  const facts = await readHostFacts(disk(), {
    ...machine,
    hostname: () => `evil\u001b[2J${'h'.repeat(10_000)}`,
    cpus: () => [{ model: 'CPU\nNODE-9  APPROVED' }],
  });
  assert.equal(facts.hostname.length, 255);
  assert.doesNotMatch(facts.hostname, /\u001b/);
  assert.equal(facts.cpuModel, 'CPU NODE-9 APPROVED');
});

test('a file system that hangs holds the facts up for a moment only', async () => {
  const clock = new FakeClock();
  const facts = readHostFacts(new Disk(() => new Promise(() => undefined)), machine, clock);
  await clock.advance(250);
  assert.equal((await facts).disk, undefined);
  assert.equal((await facts).hostname, 'worker-7');
});

test('this machine', async () => {
  const facts = await readHostFacts(
    new Disk(async () => ({ value: await readDiskSpace(os.tmpdir(), 60_000, undefined), took: 0 })),
  );
  assert.ok(facts.cpus >= 1 && facts.memory > 0 && (facts.disk ?? 0) > 0);
  assert.equal(facts.kernel, os.release());
  if (process.platform === 'linux') {
    assert.equal(facts.bootId, readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  }
});
