// The log's file loses no line, whether it is rotated as newsyslog does it or as logrotate does it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { LogFile } from '../../agent/system/log-file.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { newFolder } from '../support/temporary.ts';

async function opened() {
  const path = join(await newFolder(), 'agent.log');
  const clock = new FakeClock();
  return { path, clock, file: new LogFile(path, clock) };
}

const text = (path: string) => readFile(path, 'utf8');

test('the file is created for its owner alone, and lines are appended', async () => {
  const { path, clock, file } = await opened();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  file.write('one\n');
  new LogFile(path, clock).write('two\n');
  file.write('three\n');
  assert.equal(await text(path), 'one\ntwo\nthree\n');
});

test('after a new file has replaced the old one, the next line goes to the new one', async () => {
  const { path, file } = await opened();
  file.write('one\n');
  await rename(path, `${path}.0`);
  await writeFile(path, '');
  file.write('two\n');
  assert.deepEqual([await text(`${path}.0`), await text(path)], ['one\n', 'two\n']);
});

test('until a new file exists, lines go to the old file, because the rotating program creates the new one', async () => {
  const { path, clock, file } = await opened();
  await rename(path, `${path}.0`);
  file.write('between\n');
  await clock.advance(9_999);
  file.write('still\n');
  await assert.rejects(stat(path), { code: 'ENOENT' });
  // newsyslog renames a finished file over the one that is there.
  await writeFile(`${path}.new`, '');
  await rename(`${path}.new`, path);
  file.write('after\n');
  assert.deepEqual([await text(`${path}.0`), await text(path)], ['between\nstill\n', 'after\n']);
});

test('a file that was removed is created again after a while', async () => {
  const { path, clock, file } = await opened();
  await rm(path);
  file.write('lost with the file\n');
  await clock.advance(10_000);
  file.write('one\n');
  assert.equal(await text(path), 'one\n');
});

test('a time without a file does not count towards the next such time', async () => {
  const { path, clock, file } = await opened();
  await rename(path, `${path}.0`);
  file.write('a');
  await clock.advance(6_000);
  await writeFile(path, '');
  file.write('b');
  await rename(path, `${path}.1`);
  file.write('c');
  await clock.advance(6_000);
  file.write('d');
  assert.deepEqual([await text(`${path}.0`), await text(`${path}.1`)], ['a', 'bcd']);
});

test('a line that a full disk cut short does not spoil the next one', async t => {
  const disk = await mountSmallDisk();
  if (!disk) return t.skip('no small disk can be mounted here');
  const path = join(disk.folder, 'agent.log');
  const file = new LogFile(path, new FakeClock());
  try {
    file.write('one\n');
    await disk.fill();
    // The page that holds the first line has room for a part of this one.
    assert.throws(() => file.write(`${'x'.repeat(8_192)}\n`), { code: 'ENOSPC' });
    await disk.makeRoom();
    file.write('two\n');
    file.write('three\n');
    assert.deepEqual((await text(path)).replace(/x+/, 'x…').split('\n'), ['one', 'x…', 'two', 'three', '']);
  } finally {
    file.close();
    await disk.release();
  }
});

test('something that is not a file is refused, and nothing is written to it when it replaces the file', async () => {
  const folder = await newFolder();
  assert.throws(() => new LogFile(folder, new FakeClock()), { code: 'EISDIR' });
  const pipe = join(folder, 'pipe');
  await promisify(execFile)('mkfifo', [pipe]);
  // Nobody reads the pipe, so the system refuses to open it. With a reader it is refused because it is not a file.
  assert.throws(() => new LogFile(pipe, new FakeClock()));
  assert.throws(() => new LogFile('/dev/null', new FakeClock()), /\/dev\/null is not a regular file/);
  const { path, file } = await opened();
  await rename(path, `${path}.0`);
  await mkdir(path);
  file.write('one\n');
  await rm(path, { recursive: true });
  await symlink('/dev/null', path);
  file.write('two\n');
  assert.equal(await text(`${path}.0`), 'one\ntwo\n');
});

test('each line is in one of the files and in order, whatever is rotated between the lines', async () => {
  const steps = fc.array(fc.constantFrom('line', 'move', 'make', 'replace', 'wait'), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(steps, async what => {
      const { path, clock, file } = await opened();
      let lines = 0;
      let archives = 0;
      const archive = () => `${path}.${String(archives++).padStart(3, '0')}`;
      for (const step of what) {
        if (step === 'line') file.write(`${lines++}\n`);
        if (step === 'wait') await clock.advance(4_000);
        if (step === 'move' || step === 'replace') await rename(path, archive()).catch(() => archives--);
        if (step === 'make' || step === 'replace') await writeFile(path, '', { flag: 'a' });
      }
      file.close();
      const folder = join(path, '..');
      const names = (await readdir(folder)).sort((a, b) => (order(a) < order(b) ? -1 : 1));
      const all = await Promise.all(names.map(name => text(join(folder, name))));
      assert.equal(all.join(''), Array.from({ length: lines }, (_, line) => `${line}\n`).join(''));
    }),
    { numRuns: 60 },
  );
});

// The newest file has no number, so it comes last.
const order = (name: string): string => (name === 'agent.log' ? '~' : name);
