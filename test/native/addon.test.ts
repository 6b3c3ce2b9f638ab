// Tests each way to load the addon from memory, and that no file stays on the disk.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadAddon } from '../../agent/host/native/addon.ts';
import { newFolder } from '../support/temporary.ts';
import { addonFile } from './probe.ts';

const bytes = await readFile(addonFile);
const linux = process.platform === 'linux' ? false : 'Linux alone opens a file that has no name';

// Node warns that its FFI is experimental. The packaged program turns the warning off.
process.removeAllListeners('warning');

const offers = (loaded: ReturnType<typeof loadAddon>): boolean =>
  typeof (loaded.exports as { sample?: unknown } | undefined)?.sample === 'function';

// This test comes first: every file in memory has the same name, and the C library does not load a loaded name again.
test('the reason for a file that is no addon is given once, on one line', async () => {
  const folders = [await newFolder(), await newFolder()];
  for (const platform of ['linux', 'darwin'] as const) {
    const loaded = loadAddon(Buffer.from('no library'), folders, platform);
    const reason = 'reason' in loaded ? loaded.reason : '';
    assert.match(reason, platform === process.platform ? /^in [^;]+: [^;]+$/ : /^in /);
    assert.doesNotMatch(reason, /\n|\/proc\/self/);
  }
});

test('the reason for a C library that is too old names the missing version', { skip: linux }, t => {
  const newest = [...bytes.toString('latin1').matchAll(/GLIBC_2\.3\d/g)].at(-1);
  if (!newest) return t.skip('the probe was not built with the C library of GNU');
  const foreign = Buffer.from(bytes);
  for (const { index } of foreign.toString('latin1').matchAll(new RegExp(newest[0], 'g')))
    foreign.write('GLIBC_9.99', index, 'latin1');
  const loaded = loadAddon(foreign, []);
  assert.match('reason' in loaded ? loaded.reason : '', /version `GLIBC_9\.99' not found \(required by it\)/);
});

test('on Linux the addon is loaded from memory, and no folder is used', { skip: linux }, async () => {
  const folder = await newFolder();
  const loaded = loadAddon(bytes, [folder]);
  assert.ok(offers(loaded), JSON.stringify(loaded));
  assert.equal('from' in loaded && loaded.from, 'memory');
  assert.deepEqual(await readdir(folder), []);
});

test('without a file in memory the first writable folder is used, and no file stays there', {
  skip: linux,
}, async () => {
  const folder = await newFolder();
  const script = `
    import { readFileSync } from 'node:fs';
    import { loadAddon } from ${JSON.stringify(join(import.meta.dirname, '../../agent/host/native/addon.ts'))};
    const loaded = loadAddon(readFileSync(${JSON.stringify(addonFile)}), ['/nonexistent', ${JSON.stringify(folder)}]);
    console.log(loaded.from, typeof loaded.exports.sample, typeof loaded.exports.sample());`;
  const args = ['--no-experimental-ffi', '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.equal(stdout, `${folder} function object\n`);
  assert.deepEqual(await readdir(folder), []);
});

test('on other systems the addon is a private file named by its hash, and is used again while it is intact', async () => {
  const parent = await newFolder();
  assert.ok(offers(loadAddon(bytes, [parent], 'darwin')));
  const folder = join(parent, `muster-${process.getuid?.()}`);
  const [name = ''] = await readdir(folder);
  assert.match(name, /^probe-[0-9a-f]{64}\.node$/);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  const before = await stat(join(folder, name));
  assert.equal(before.mode & 0o777, 0o500);
  assert.ok(offers(loadAddon(bytes, [parent], 'darwin')));
  assert.equal((await stat(join(folder, name))).ino, before.ino);
  // Write a new file, because this process uses the content of the old one.
  await rm(join(folder, name));
  await writeFile(join(folder, name), 'something else');
  assert.ok(offers(loadAddon(bytes, [parent], 'darwin')));
  assert.ok((await readFile(join(folder, name))).equals(bytes));
  assert.deepEqual(await readdir(folder), [name]);
});

test('a folder that others can write, or that is a link, is not used', async () => {
  const [open, link, elsewhere] = [await newFolder(), await newFolder(), await newFolder()];
  const name = `muster-${process.getuid?.()}`;
  await mkdir(join(open, name));
  await chmod(join(open, name), 0o777);
  await symlink(elsewhere, join(link, name));
  for (const parent of [open, link]) {
    const loaded = loadAddon(bytes, [parent], 'darwin');
    assert.match('reason' in loaded ? loaded.reason : '', /is not a private folder of this user$/);
  }
  assert.deepEqual([await readdir(join(open, name)), await readdir(elsewhere)], [[], []]);
});
