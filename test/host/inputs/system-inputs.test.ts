// Tests the answers of the real machine: what exists is read, what does not exist is absent, and anything else is a fault.
import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemInputs } from '../../../agent/host/inputs/system-inputs.ts';
import type { NativeProbe } from '../../../agent/host/native/native-probe.ts';
import { newFolder } from '../../support/temporary.ts';

const program = (code: string) => ({ command: process.execPath, args: ['-e', code] });
const inputs = async (folder?: string, inventoryCommand = program('')) =>
  new SystemInputs({
    folder: folder ?? (await newFolder()),
    inventoryCommand,
    probe: { reason: 'was not built' },
  });

test('a file is text without its last line break, and bytes that are not UTF-8 become U+FFFD', async () => {
  const folder = await newFolder();
  const machine = await inputs();
  const read = async (content: string | Buffer) => {
    await writeFile(join(folder, 'f'), content);
    return machine.file(join(folder, 'f'));
  };
  assert.equal((await read('one\ntwo\n\n')).value, 'one\ntwo\n');
  assert.equal((await read(Buffer.from([0x54, 0xff, 0xfe, 0x34]))).value, 'T\ufffd\ufffd4');
  assert.match((await read(Buffer.alloc(70_000, 'x'))).fault?.reason ?? '', /larger than 65536 bytes/);
  assert.equal((await machine.file(join(folder, 'absent'))).fault?.kind, 'absent');
  assert.equal((await machine.file(folder)).fault?.kind, 'failed');
});

test('folders and links are read', async () => {
  const folder = await newFolder();
  const machine = await inputs();
  for (const name of ['b', 'a']) await mkdir(join(folder, name));
  await symlink('../../bus/pci/drivers/nvidia', join(folder, 'driver'));
  assert.deepEqual((await machine.folder(folder)).value, ['a', 'b', 'driver']);
  assert.equal((await machine.link(join(folder, 'driver'))).value, '../../bus/pci/drivers/nvidia');
  assert.equal((await machine.link(join(folder, 'a'))).fault?.kind, 'failed');
  assert.equal((await machine.folder(join(folder, 'absent'))).fault?.kind, 'absent');
});

test('the facts of the system are those of node:os', async () => {
  const { hostname, cpus, memory, release, usableCpus } = (await inputs()).system();
  assert.deepEqual([hostname, memory, release], [os.hostname(), os.totalmem(), os.release()]);
  assert.ok(cpus >= 1 && usableCpus >= 1);
});

test('without /proc the CPUs are those that this process may use', async t => {
  t.mock.method(os, 'cpus', () => []);
  t.mock.method(os, 'availableParallelism', () => 7);
  assert.equal((await inputs()).system().cpus, 7);
});

test("the room on the folder's file system is read, and a missing folder is absent", async () => {
  const { value } = await (await inputs()).space();
  assert.ok(value && value.total > 0 && value.available <= value.total);
  assert.equal((await (await inputs('/nonexistent/folder')).space()).fault?.kind, 'absent');
});

test('the native probe tells the room by itself: an answer that it gives up is late, and others are faults', async () => {
  const answers = {
    room: { total: 100, available: 40, free: 50 },
    ETIMEDOUT: 'late',
    ENOENT: 'absent',
    EACCES: 'denied',
    EIO: 'failed',
  };
  const asked: unknown[] = [];
  const disk = async (folder: string, deadlineMs?: number | null) => {
    asked.push([folder, deadlineMs]);
    if (folder === 'room') return answers.room;
    throw Object.assign(new Error('no room is known'), { code: folder });
  };
  for (const [folder, expected] of Object.entries(answers)) {
    const machine = new SystemInputs({
      folder,
      inventoryCommand: program(''),
      probe: { probe: { disk } as unknown as NativeProbe, path: 'a fake' },
    });
    const { value, fault } = await machine.space();
    if (folder === 'room') assert.deepEqual(value, { total: 100, available: 40 });
    else assert.equal(fault?.kind, expected);
  }
  assert.deepEqual(
    asked,
    Object.keys(answers).map(folder => [folder, 1000]),
  );
});

test('an inventory that fails is a fault with its error output', async () => {
  const crashing = await inputs(undefined, program(`process.stderr.write('no luck'); process.exitCode = 3`));
  const { fault } = await crashing.inventory();
  assert.deepEqual(fault, { kind: 'failed', reason: 'failed: the inventory ended with status 3: no luck' });
});

test('close ends a running child', async () => {
  const machine = await inputs(undefined, program('setInterval(() => {}, 1000)'));
  const asked = machine.inventory();
  machine.close();
  assert.match((await asked).fault?.reason ?? '', /the inventory was stopped/);
});
