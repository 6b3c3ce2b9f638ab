// Tests that the native probe is found where it is built, and that nothing else in its place throws.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadProbeFrom } from '../../../agent/host/native/native-probe.ts';
import { newFolder } from '../../support/temporary.ts';

const reason = (...paths: string[]) => {
  const loaded = loadProbeFrom(paths);
  assert.equal(loaded.probe, undefined);
  return 'reason' in loaded ? loaded.reason : '';
};

test('without a file the reason is that it was not built', () => {
  assert.equal(reason('/nonexistent/probe.node'), 'was not built');
});

test('a file that is no library gives a reason on one line', async () => {
  const folder = await newFolder();
  const path = join(folder, 'probe.node');
  for (const content of ['', 'no library\n', '\u007fELF']) {
    await writeFile(path, content);
    assert.match(reason(path), /^does not load \(.*probe\.node\): /);
    assert.doesNotMatch(reason(path), /\n/);
  }
  await mkdir(join(folder, 'folder.node'));
  assert.match(reason(join(folder, 'folder.node')), /^does not load/);
});

test('a module with fewer functions is of another version', async () => {
  const path = join(await newFolder(), 'probe.cjs');
  await writeFile(path, 'exports.cgroup = () => ({}); exports.sample = 7;');
  assert.match(reason(path), /^is of another version/);
});

test('the first path that fits is used', async () => {
  const folder = await newFolder();
  const [broken, good] = [join(folder, 'broken.node'), join(folder, 'good.cjs')];
  await writeFile(broken, 'no library');
  await writeFile(
    good,
    'for (const name of ["cgroup", "disk", "exitNow", "giveBackFreed", "giveBackGarbage", "giveBackProgram", "gpusNvml", "notify", "nvmlFigures", "sample"]) exports[name] = () => 7;',
  );
  const loaded = loadProbeFrom([join(folder, 'absent.node'), broken, good]);
  assert.equal('path' in loaded && loaded.path, good);
});
