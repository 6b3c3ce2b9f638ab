// Tests the slow inventory with a real child, and with children that fail in every way.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { virtualisation } from '../../../agent/host/inventory/collect.ts';
import {
  type Inventory,
  InventoryError,
  type InventoryFault,
  loadInventory,
  saveInventory,
  takeInventory,
} from '../../../agent/host/inventory/inventory.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const program = (code: string) => ({ command: process.execPath, args: ['-e', code] });
const childModule = new URL('../../../agent/host/inventory/collect.ts', import.meta.url).href;
const realChild = program(
  `import('${childModule}').then(child => child.collectInventory()).then(inventory => console.log(JSON.stringify(inventory)))`,
);

const inventory: Inventory = {
  takenAt: '2026-01-01T00:00:00.000Z',
  cpu: { manufacturer: 'AMD', brand: 'EPYC', speed: 2.4, physicalCores: 4 },
  memory: 8_589_934_592,
  disk: 1_000_000_000,
  os: { distro: 'Debian GNU/Linux', release: '13', kernel: '6.12.0' },
  virtualisation: 'KVM',
  manufacturer: 'QEMU',
  model: 'Standard PC',
};
const printing = (value: unknown) => program(`console.log(${JSON.stringify(JSON.stringify(value))})`);

let folder: string;
before(async () => {
  folder = await mkdtemp(join(os.tmpdir(), 'muster-inventory-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function faultOf(attempt: Promise<unknown>): Promise<InventoryError> {
  const error = await attempt.then(
    () => assert.fail('an inventory came back'),
    (error: unknown) => error,
  );
  assert.ok(error instanceof InventoryError, String(error));
  return error;
}

async function fails(attempt: Promise<unknown>, fault: InventoryFault, message: RegExp): Promise<void> {
  const error = await faultOf(attempt);
  assert.equal(error.fault, fault);
  assert.match(error.message, message);
}

/** Returns whether the process has ended, even if nobody has asked for its status yet. */
function gone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform === 'linux' && /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

const pidIn = async (path: string) => Number(await readFile(path, 'utf8').catch(() => ''));

test('a real child prints the facts of this machine', async () => {
  const found = await takeInventory(realChild);
  assert.ok((found.memory ?? 0) > 0);
  assert.equal(found.os.kernel, os.release());
  assert.ok(found.virtualisation);
  assert.ok((found.cpu.physicalCores ?? 1) >= 1);
});

test('a CPU with the flag hypervisor means a virtual machine, even if nothing names the hypervisor', () => {
  const flags = 'fpu vme hypervisor lahf_lm';
  assert.equal(virtualisation({ virtual: true, virtualHost: 'KVM' }, flags), 'KVM');
  assert.equal(virtualisation({ virtual: true, virtualHost: 'unknown' }, ''), 'virtual');
  assert.equal(virtualisation({ virtual: false }, flags), 'virtual');
  assert.equal(virtualisation({ virtual: false }, 'fpu vmx lahf_lm'), 'none');
});

test('secrets in the environment do not reach the child', async () => {
  process.env.MUSTER_TEST_SECRET = 'hush';
  const child = program(`
    const all = ${JSON.stringify(inventory)};
    console.log(JSON.stringify({ ...all, model: Object.keys(process.env).sort().join(' ') }))`);
  const { model } = await takeInventory(child).finally(() => delete process.env.MUSTER_TEST_SECRET);
  assert.match(model ?? '', /PATH/);
  assert.doesNotMatch(model ?? '', /MUSTER/);
});

test('a child that hangs is killed when its time is over, together with what it started', async () => {
  const clock = new FakeClock();
  const pids = join(folder, 'hung');
  const hang = program(`
    process.on('SIGTERM', () => {});
    const { spawn } = require('node:child_process');
    const grandchild = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    require('node:fs').writeFileSync(${JSON.stringify(pids)}, JSON.stringify([process.pid, grandchild.pid]));
    setInterval(() => {}, 1000)`);
  const failed = fails(takeInventory(hang, { clock, timeoutMs: 10_000 }), 'timeout', /longer than 10000 ms/);
  let hung: number[] = [];
  await eventually('the child process has started', async () => {
    hung = JSON.parse((await readFile(pids, 'utf8').catch(() => '')) || '[]');
    return hung.length === 2;
  });
  await clock.advance(9_999);
  assert.ok(hung.every(pid => !gone(pid)));
  await clock.advance(1);
  await failed;
  await eventually('all have ended', () => hung.every(gone));
});

test('the signal ends a child at once, and later no child starts', async () => {
  const stop = new AbortController();
  const failed = fails(
    takeInventory(program('setInterval(() => {}, 1000)'), { signal: stop.signal }),
    'stopped',
    /was stopped/,
  );
  stop.abort();
  await failed;
  await fails(takeInventory(realChild, { signal: stop.signal }), 'stopped', /was stopped/);
});

test('the error of a crashed child has its error output, made safe for a terminal', async () => {
  const crash = program(`process.stderr.write('no \\x1b[31mluck'); process.exitCode = 3`);
  await fails(takeInventory(crash), 'crashed', /^the inventory ended with status 3: no \\u001b\[31mluck$/);
  await fails(takeInventory(program(`process.kill(process.pid, 'SIGSEGV')`)), 'crashed', /ended by SIGSEGV$/);
});

test('a child that prints too much is killed', async () => {
  const babble = program(
    `const line = 'x'.repeat(4096); (function on() { process.stdout.write(line, on) })()`,
  );
  await fails(takeInventory(babble), 'too_long', /longer than 262144 bytes/);
});

test('a program that does not exist is an error that names it', async () => {
  const absent = { command: join(folder, 'absent'), args: [] };
  const error = await faultOf(takeInventory(absent));
  assert.equal(error.fault, 'not_started');
  assert.match(error.message, /absent/);
});

test('output that is no inventory is refused, and the error names the field', async () => {
  await fails(takeInventory(program('')), 'malformed', /not JSON/);
  await fails(takeInventory(program(`console.log('{')`)), 'malformed', /not JSON/);
  await fails(takeInventory(printing([])), 'malformed', /takenAt is wrong/);
  await fails(takeInventory(printing({ ...inventory, memory: '8 GB' })), 'malformed', /memory is wrong/);
  await fails(takeInventory(printing({ ...inventory, disk: -1 })), 'malformed', /disk is wrong/);
  await fails(
    takeInventory(printing({ ...inventory, cpu: { brand: {} } })),
    'malformed',
    /cpu\.brand is wrong/,
  );
});

test('hostile strings are made short and harmless, and unknown members are dropped', async () => {
  const model = `\u001b[2J\r\nEvil ${'x'.repeat(900)}`;
  const found = await takeInventory(printing({ ...inventory, model, serial: 'secret' }));
  assert.equal(found.model?.length, 128);
  assert.match(found.model ?? '', /^\[2J Evil x+$/);
  assert.ok(!('serial' in found));
});

test('a saved inventory is loaded again, and only its owner can read the file', async () => {
  const home = await mkdtemp(join(folder, 'kept-'));
  assert.equal(await loadInventory(home), undefined);
  await saveInventory(home, inventory);
  assert.deepEqual(await loadInventory(home), inventory);
  assert.equal((await stat(join(home, 'inventory.json'))).mode & 0o777, 0o600);
});

test('a damaged file is refused, and the next inventory replaces it', async () => {
  const home = await mkdtemp(join(folder, 'torn-'));
  const whole = JSON.stringify(inventory);
  for (const text of ['', whole.slice(0, 40), '[]', '{"takenAt":"yesterday"}']) {
    await writeFile(join(home, 'inventory.json'), text);
    await fails(loadInventory(home), 'malformed', /inventory is not/);
  }
  await saveInventory(home, inventory);
  assert.deepEqual(await loadInventory(home), inventory);
});

test('a child whose parent was killed ends by itself, together with what it started', async () => {
  const bin = await mkdtemp(join(folder, 'bin-'));
  const [tool, toolPid, childPid] = [join(bin, 'lscpu'), join(bin, 'tool'), join(bin, 'child')];
  await writeFile(tool, `#!/bin/sh\necho $$ > ${toolPid}\nexec sleep 1000\n`);
  await chmod(tool, 0o755);
  const parent = spawn(
    process.execPath,
    [
      '-e',
      `const { spawn } = require('node:child_process');
       const env = { PATH: ${JSON.stringify(`${bin}:/usr/bin:/bin`)} };
       const child = spawn(process.execPath, process.argv.slice(1), { detached: true, stdio: 'ignore', env });
       require('node:fs').writeFileSync(${JSON.stringify(childPid)}, String(child.pid));
       setInterval(() => {}, 1000)`,
      '--',
      ...realChild.args,
    ],
    { stdio: 'ignore' },
  );
  await eventually(
    'both have started',
    async () => (await pidIn(toolPid)) > 0 && (await pidIn(childPid)) > 0,
  );
  const [hungTool, child] = [await pidIn(toolPid), await pidIn(childPid)];
  assert.ok(!gone(hungTool) && !gone(child));
  parent.kill('SIGKILL');
  await eventually('both have ended', () => gone(child) && gone(hungTool));
});
