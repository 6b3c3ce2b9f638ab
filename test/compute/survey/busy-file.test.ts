// Tests what the agent makes of the file by which a local scheduler says that the machine is busy.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, chown, lchown, mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { BusyFile } from '../../../agent/compute/survey/busy-file.ts';
import { systemClock } from '../../../agent/system/clock.ts';
import { needsRoot, otherUser } from '../../support/other-user.ts';
import { newFolder } from '../../support/temporary.ts';
import { asUnprivileged, unprivilegedFolder } from '../../support/unprivileged.ts';

async function begin() {
  const folder = await newFolder();
  const path = join(folder, 'busy');
  const settings: { busyFile: string | undefined } = { busyFile: path };
  return { folder, path, settings, file: new BusyFile({ settings, clock: systemClock }) };
}

test('without the setting nobody can tell, and without the file nothing runs', async () => {
  const { settings, file } = await begin();
  assert.deepEqual([await file.look(), file.fault], [0, undefined]);
  settings.busyFile = undefined;
  assert.deepEqual([await file.look(), file.fault], [undefined, undefined]);
});

test('a file that is there means one, or as many as it says, whatever it contains', async () => {
  const { path, file } = await begin();
  for (const [content, running] of [
    ['', 1],
    ['3\n', 3],
    [' 12 ', 12],
    ['0', 1],
    ['-4', 1],
    ['job 7', 1],
    [`7${' '.repeat(100)}8`, 7],
    ['9'.repeat(40), 1],
  ] as const) {
    await writeFile(path, content);
    assert.equal(await file.look(), running, JSON.stringify(content));
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async bytes => {
      await writeFile(path, bytes);
      const running = (await file.look()) ?? Number.NaN;
      assert.ok(Number.isSafeInteger(running) && running >= 1 && running < 1_000_000);
    }),
    { numRuns: 50 },
  );
  await rm(path);
  assert.equal(await file.look(), 0);
});

test('what cannot be read is no idle machine, and the fault says why until it can be read again', async () => {
  const { path, file } = await begin();
  await mkdir(path);
  assert.equal(await file.look(), undefined);
  assert.match(file.fault ?? '', /busy failed: not a regular file$/);
  await rm(path, { recursive: true });
  await symlink('/nowhere/at/all', path);
  assert.equal(await file.look(), undefined);
  assert.match(file.fault ?? '', /a link that leads nowhere$/);
  await rm(path);
  await writeFile(path, '2');
  assert.deepEqual([await file.look(), file.fault], [2, undefined]);
});

test('a pipe without a writer, a device and a file that this user may not read hold nobody up', async () => {
  const { settings, path, file } = await begin();
  const expectFault = async (reason: RegExp) => {
    assert.equal(await file.look(), undefined);
    assert.match(file.fault ?? '', reason);
  };
  await promisify(execFile)('mkfifo', [path]);
  await expectFault(/busy failed: not a regular file$/);
  settings.busyFile = '/dev/zero';
  await expectFault(/zero failed: not a regular file$/);
  const locked = join(await unprivilegedFolder(), 'busy');
  await writeFile(locked, '3');
  await chmod(locked, 0o200);
  settings.busyFile = locked;
  await asUnprivileged(() => expectFault(/busy may not be read$/));
});

test('a file of a gigabyte is not read, and one that changes all the time means something at each look', async () => {
  const { path, file } = await begin();
  await writeFile(path, '4');
  await truncate(path, 1_000_000_000);
  const before = process.memoryUsage.rss();
  assert.equal(await file.look(), 1);
  assert.ok(process.memoryUsage.rss() - before < 100_000_000);
  let isOver = false;
  const write = async () => {
    for (let count = 2; !isOver; count++) {
      await writeFile(`${path}.new`, String(count));
      await rename(`${path}.new`, path);
      await writeFile(path, `${count}${'0'.repeat(count % 40)}`);
    }
  };
  const writing = write();
  for (let times = 0; times < 200; times++) {
    const running = (await file.look()) ?? assert.fail(file.fault);
    assert.ok(running >= 1 && running < 1_000_000, String(running));
  }
  isOver = true;
  await writing;
});

test('a file that is missing in a folder of the service itself is no idle machine', async () => {
  const { folder, path, settings } = await begin();
  const line = (root: string, point: string) => `40 39 8:1 ${root} ${point} rw - ext4 /dev/sda1 rw\n`;
  const all = line('/', '/');
  const own = '/tmp/systemd-private-0123-muster-agent.service-AbCd/tmp';
  let mounts = all;
  const file = new BusyFile({ settings, clock: systemClock, mountInfo: async () => mounts });
  for (const [text, running] of [
    [all, 0],
    [all + line(own, folder), undefined],
    [all + line('/systemd/inaccessible/dir', folder), undefined],
    // Another mount is seen there, or the mount is elsewhere.
    [all + line(own, folder) + line('/', folder), 0],
    [line('/', folder) + line(own, `${folder}/busy-not`), 0],
    ['no mounts\n\n', 0],
  ] as const) {
    mounts = text;
    assert.equal(await file.look(), running, text);
    assert.equal(file.fault !== undefined, running === undefined);
  }
  mounts = all + line(own, folder);
  await file.look();
  assert.equal(
    file.fault,
    `this service has a ${folder} of its own, so it cannot see ${path} of the machine`,
  );
  await writeFile(path, '2');
  assert.deepEqual([await file.look(), file.fault], [2, undefined]);
  await rm(path);
  const without = new BusyFile({
    settings,
    clock: systemClock,
    mountInfo: () => Promise.reject(new Error('none')),
  });
  assert.equal(await without.look(), 0);
});

test('root follows no link of another user, and reads no file that is not theirs', needsRoot, async () => {
  const { folder, path, file } = await begin();
  await writeFile(join(folder, 'secret'), '7');
  await symlink(join(folder, 'secret'), path);
  await chown(folder, otherUser, otherUser);
  await lchown(path, otherUser, otherUser);
  assert.equal(await file.look(), undefined);
  assert.match(file.fault ?? '', /link.*not followed/);
});
