// Tests the facts that Node and a few files know, by the names that Bacalhau uses.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { readHostFacts } from '../../agent/host/host-facts.ts';
import { type FakeMachine, fakeMachine } from './machines.ts';

const bootId = '2f6c1f0e-7d5b-4f0c-9d0e-3b1f1d0f8a11';
const bootIdFile = 'file /proc/sys/kernel/random/boot_id';
const osRelease = { 'file /etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"' };
const factsOf = (machine: FakeMachine = {}) => readHostFacts(fakeMachine(machine));

test('every fact is read', async () => {
  assert.deepEqual(await factsOf({ answers: { ...osRelease, [bootIdFile]: `${bootId}\n` } }), {
    hostname: 'worker-7',
    architecture: 'amd64',
    operatingSystem: 'linux',
    kernel: '6.12.0',
    osName: 'Debian GNU/Linux 13 (trixie)',
    cpus: 8,
    usableCpus: 8,
    cpuModel: 'AMD EPYC',
    memoryBytes: 8_589_934_592,
    bootId,
    bootIdTookMs: 0,
  });
});

test('architectures and operating systems have the names that Go gives them', async () => {
  const names = async (arch: string, platform: string) => {
    const facts = await factsOf({ system: { arch, platform } });
    return `${facts.operatingSystem}/${facts.architecture}`;
  };
  assert.equal(await names('arm64', 'darwin'), 'darwin/arm64');
  assert.equal(await names('ia32', 'win32'), 'windows/386');
  assert.equal(await names('ppc64', 'linux'), 'linux/ppc64le');
  assert.equal(await names('riscv64', 'freebsd'), 'freebsd/riscv64');
});

test('a fact that no source knows is absent', async () => {
  const { cpuModel, osName, bootId } = await factsOf({ system: { cpuModel: '' } });
  assert.deepEqual([cpuModel, osName, bootId], [undefined, undefined, undefined]);
  const arm = await factsOf({ system: { cpuModel: 'unknown' } });
  assert.equal(arm.cpuModel, undefined);
});

test('a boot id that the kernel cannot have written is not used', async () => {
  for (const id of ['', 'x'.repeat(36), '../../etc/passwd', `${'a'.repeat(4000)}`]) {
    assert.equal((await factsOf({ answers: { [bootIdFile]: id } })).bootId, undefined);
  }
});

test('hostile names are made short and harmless', async () => {
  const facts = await factsOf({
    system: {
      hostname: `evil\u001b[2J${'h'.repeat(10_000)}`,
      cpuModel: 'CPU\nNODE-9  APPROVED',
    },
  });
  assert.equal(facts.hostname.length, 255);
  assert.doesNotMatch(facts.hostname, /\u001b/);
  assert.equal(facts.cpuModel, 'CPU NODE-9 APPROVED');
});

test('without inputs, this machine is read', async () => {
  const facts = await readHostFacts();
  assert.ok(facts.cpus >= 1 && facts.memoryBytes > 0);
  assert.equal(facts.kernel, os.release());
  if (process.platform === 'linux') {
    assert.equal(facts.bootId, readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  }
});
