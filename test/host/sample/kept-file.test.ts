// Tests that a file which stays open is read as it is now, and that it is found again after it was away.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeptFile } from '../../../agent/host/sample/kept-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'muster-kept-'));
test.after(() => rmSync(folder, { recursive: true }));

test('each reading returns the whole file as it is then, however long it has become', () => {
  const path = join(folder, 'grows');
  const file = new KeptFile(path);
  for (const length of [10, 1, 16 * 1024, 100_000, 3]) {
    const text = 'caf\u00e9 '.repeat(length).slice(0, length);
    writeFileSync(path, text, 'latin1');
    assert.equal(file.read(), text);
    assert.equal(file.read(), text, 'it is read from its start');
  }
});

test('a file that is not there, cannot be read or is empty gives nothing, and is found when it is there again', () => {
  const path = join(folder, 'comes');
  const file = new KeptFile(path);
  assert.equal(file.read(), undefined);
  writeFileSync(path, 'one');
  assert.equal(file.read(), 'one');
  // Another file takes its name, and the one that was open gives nothing any more.
  renameSync(path, `${path}-before`);
  truncateSync(`${path}-before`);
  assert.equal(file.read(), undefined);
  writeFileSync(path, 'two');
  assert.equal(file.read(), 'two');
  assert.equal(new KeptFile(folder).read(), undefined);
});

test('one that fails again and again leaves no file open', { skip: process.platform !== 'linux' }, () => {
  const path = join(folder, 'empty');
  writeFileSync(path, '');
  const file = new KeptFile(path);
  file.read();
  const openFiles = () => readdirSync('/proc/self/fd').length;
  const before = openFiles();
  for (let time = 0; time < 50; time++) assert.equal(file.read(), undefined);
  assert.equal(openFiles(), before);
});
