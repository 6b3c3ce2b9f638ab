// The addon out of memory: each way to load it, and that nothing stays on the disk.
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

// That FFI is an experiment of Node's: the packaged program is told not to say so.
process.removeAllListeners('warning');

const offers = (loaded: ReturnType<typeof loadAddon>): boolean =>
  typeof (loaded.exports as { sample?: unknown } | undefined)?.sample === 'function';

// First, as the C library takes a name that it has loaded for what was loaded, and each file in memory has the same one.
test('what is no addon is told once, on one line', async () => {
  const folders = [await newFolder(), await newFolder()];
  for (const platform of ['linux', 'darwin'] as const) {
    const loaded = loadAddon(Buffer.from('no library'), folders, platform);
    const reason = 'reason' in loaded ? loaded.reason : '';
    assert.match(reason, platform === process.platform ? /^in [^;]+: [^;]+$/ : /^in /);
    assert.doesNotMatch(reason, /\n|\/proc\/self/);
  }
});

test('a C library that is too old for it is named, with the version that it lacks', { skip: linux }, t => {
  const newest = [...bytes.toString('latin1').matchAll(/GLIBC_2\.3\d/g)].at(-1);
  if (!newest) return t.skip('the probe was not built with the C library of GNU');
  const foreign = Buffer.from(bytes);
  for (const { index } of foreign.toString('latin1').matchAll(new RegExp(newest[0], 'g')))
    foreign.write('GLIBC_9.99', index, 'latin1');
  const loaded = loadAddon(foreign, []);
  assert.match('reason' in loaded ? loaded.reason : '', /version `GLIBC_9\.99' not found \(required by it\)/);
});

test('on Linux it is loaded from memory, and no folder is touched', { skip: linux }, async () => {
  const folder = await newFolder();
  const loaded = loadAddon(bytes, [folder]);
  assert.ok(offers(loaded), JSON.stringify(loaded));
  assert.equal('from' in loaded && loaded.from, 'memory');
  assert.deepEqual(await readdir(folder), []);
});

test('where memory gives no file, the first folder that can be written does, and keeps none', {
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

test('elsewhere it is a private file under its hash, used again as long as it is that', async () => {
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
  // A new file: this process runs what is in the old one.
  await rm(join(folder, name));
  await writeFile(join(folder, name), 'something else');
  assert.ok(offers(loadAddon(bytes, [parent], 'darwin')));
  assert.ok((await readFile(join(folder, name))).equals(bytes));
  assert.deepEqual(await readdir(folder), [name]);
});

test('a folder of that name that others can write, or that leads elsewhere, is not used', async () => {
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
