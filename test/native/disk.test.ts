// Tests the room on a file system, also on one that hangs.
import assert from 'node:assert/strict';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountSmallDisk } from '../support/small-disk.ts';
import { newFolder } from '../support/temporary.ts';
import { hangingFiles } from './hanging-files.ts';
import { inChild, probe } from './probe.ts';

const small = await mountSmallDisk();

test('the sizes are those that Node gives', async () => {
  const { bsize, blocks, files } = await statfs('/');
  const space = await probe.disk('/');
  assert.equal(space.total, bsize * blocks);
  assert.equal(space.inodes, files);
  assert.ok(space.available <= space.free && space.free <= space.total);
  assert.ok(space.inodesAvailable <= space.inodesFree && space.inodesFree <= space.inodes);
});

if (small) {
  test('a disk of 64 KiB has this size, and a full disk has no room', async () => {
    try {
      const { inodes, inodesFree, inodesAvailable, ...sizes } = await probe.disk(small.folder);
      assert.deepEqual(sizes, { total: 65_536, free: 65_536, available: 65_536 });
      await small.fill();
      const full = await probe.disk(small.folder);
      assert.equal(full.available, 0);
      assert.equal(full.inodes, inodes);
      assert.ok(full.inodesFree < inodesFree && full.inodesAvailable < inodesAvailable);
    } finally {
      await small.release();
    }
  });
}

test('a refusal of the system is an error with its code and the path', async () => {
  const folder = await newFolder();
  for (const [path, code] of [
    [join(folder, 'none'), 'ENOENT'],
    ['/dev/null/below', 'ENOTDIR'],
    [`/${'x'.repeat(300)}`, 'ENAMETOOLONG'],
    ['/with\0nul', 'EINVAL'],
    ['', 'ENOENT'],
  ] as const) {
    await assert.rejects(probe.disk(path), (error: Error & { code?: string }) => {
      assert.ok(error instanceof Error);
      assert.equal(error.code, code, path);
      assert.ok(error.message.includes(path));
      return true;
    });
  }
});

test('many questions at a time are all answered', async () => {
  const folders = await Promise.all(Array.from({ length: 16 }, newFolder));
  const spaces = await Promise.all(folders.map(folder => probe.disk(folder, 60_000)));
  assert.deepEqual(new Set(spaces.map(({ total }) => total)).size, 1);
});

test('a file system that hangs costs one thread, and questions fail at once until it answers again', async () => {
  const release = join(await newFolder(), 'release');
  const result = await inChild(
    `
    const fs = require('node:fs');
    const code = promise => promise.then(() => 'answered', error => error.code);
    const threads = name => fs.readdirSync('/proc/self/task').filter(task => {
      try { return fs.readFileSync('/proc/self/task/' + task + '/comm', 'latin1') === name + '\\n'; } catch { return false; }
    }).length;
    const workers = async least => {
      while (threads('muster-worker') < least) await new Promise(setImmediate);
      return threads('muster-worker');
    };
    (async () => {
      let turns = 0;
      const turn = () => { turns++; turning = setImmediate(turn); };
      let turning = setImmediate(turn);
      const first = code(probe.disk('/hangs', 200));
      const busy = await code(probe.disk('/hangs', 200));
      const other = await code(probe.disk('/', 60000));
      const late = await first;
      clearImmediate(turning);
      const again = new Set();
      for (let i = 0; i < 200; i++) again.add(await code(probe.disk('/hangs')));
      const two = await workers(2);
      const many = new Set();
      for (let i = 0; i < 100; i++) many.add(await code(probe.disk('/hangs/' + i, 0)));
      const all = await workers(16);
      fs.writeFileSync(process.env.RELEASE, '');
      let after;
      do after = await code(probe.disk('/hangs')); while (after === 'ETIMEDOUT' || after === 'EAGAIN');
      while (threads('muster-worker') > 2) await new Promise(setImmediate);
      console.log(JSON.stringify({ busy, other, late, turns: turns > 10, again: [...again], two, many: [...many].sort(), all, after }));
    })();`,
    await hangingFiles({ paths: ['/hangs'], until: release }),
  );
  assert.equal(result.stderr, '');
  assert.deepEqual(JSON.parse(result.stdout), {
    busy: 'EBUSY',
    other: 'answered',
    late: 'ETIMEDOUT',
    turns: true,
    again: ['ETIMEDOUT'],
    // One thread hangs and one waits for the next job. At the end two threads wait.
    two: 2,
    many: ['EAGAIN', 'ETIMEDOUT'],
    all: 16,
    after: 'ENOENT',
  });
});

test('a process can end while a file system hangs, by itself and with process.exit', async () => {
  const env = await hangingFiles({ paths: ['/hangs'] });
  const byItself = await inChild(`probe.disk('/hangs', 1).catch(error => console.log(error.code));`, env);
  assert.deepEqual(byItself, { code: 0, signal: null, stdout: 'ETIMEDOUT\n', stderr: '' });
  const byExit = await inChild(`probe.disk('/hangs', 600000); setImmediate(() => process.exit(7));`, env);
  assert.deepEqual(byExit, { code: 7, signal: null, stdout: '', stderr: '' });
});
