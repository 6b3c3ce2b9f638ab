// A release is the same in two builds, and no file of an earlier version stays in its folder.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '../../../agent/system/version.ts';
import { whyNoDeb } from '../../../scripts/packaging/deb.ts';
import { release } from '../../../scripts/packaging/release.ts';
import { targetOf } from '../../../scripts/packaging/target.ts';
import { newFolder } from '../../support/temporary.ts';
import { smallBuild } from './small-build.ts';

const target = targetOf('linux-x64');
const date = new Date('2026-11-24T12:00:00Z');
const name = `muster-${version}-linux-x64`;
const why = await whyNoDeb(target);
const deb = why === undefined ? [`muster_${version}_amd64.deb`] : [];

test('two builds give the same files', async () => {
  const contents = async () => {
    const folder = await newFolder();
    const built = await smallBuild(await newFolder());
    const { files, remarks } = await release({ built, target, date, fast: true, folder });
    assert.deepEqual(remarks, why === undefined ? [] : [`no .deb was made: ${why}`]);
    const names = (await readdir(folder)).sort();
    assert.deepEqual(
      files.map(({ path }) => path).sort(),
      names.map(each => join(folder, each)),
    );
    for (const { path, sizeBytes } of files) assert.equal((await readFile(path)).length, sizeBytes);
    return Promise.all(names.map(async each => [each, await readFile(join(folder, each))] as const));
  };
  const [first, second] = [await contents(), await contents()];
  assert.deepEqual(
    first.map(([each]) => each),
    ['SHA256SUMS', `${name}.cdx.json`, `${name}.tar.zst`, ...deb],
  );
  for (const [index, [each, bytes]] of first.entries()) assert.ok(second[index]?.[1].equals(bytes), each);
});

test('the files of an earlier version are removed, and those for another kind of machine stay', async () => {
  const folder = await newFolder();
  const others = [
    'muster-0.0.1-linux-arm64.tar.zst',
    'muster_0.0.1_arm64.deb',
    'notes.txt',
    'linux-x64',
    'muster',
  ];
  const earlier = [
    'muster-0.0.1-linux-x64.tar.zst',
    'muster-0.0.1-linux-x64.cdx.json',
    'muster_0.0.1_amd64.deb',
  ];
  await mkdir(join(folder, 'linux-x64'));
  for (const each of [...earlier, ...others.filter(other => other !== 'linux-x64')])
    await writeFile(join(folder, each), each);
  await release({ built: await smallBuild(await newFolder()), target, date, fast: true, folder });
  const made = [`${name}.tar.zst`, `${name}.cdx.json`, ...deb];
  assert.deepEqual((await readdir(folder)).sort(), [...others, ...made, 'SHA256SUMS'].sort());
  const sums = await readFile(join(folder, 'SHA256SUMS'), 'utf8');
  const listed = sums
    .trimEnd()
    .split('\n')
    .map(line => line.slice(66));
  assert.deepEqual(listed, [...others.filter(other => other !== 'linux-x64'), ...made].sort());
});
