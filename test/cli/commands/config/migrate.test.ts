// Runs `muster config migrate` as a process, and tests its output, the file that it writes, and what it refuses.
import assert from 'node:assert/strict';
import { readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { configFile, muster, temporaryFolder } from '../../program.ts';

const bacalhau = (name: string) =>
  fileURLToPath(new URL(`../../../fixtures/bacalhau/config-${name}.yaml`, import.meta.url));

test('the result goes to standard output and the notes to standard error, without secrets', async t => {
  const { code, stdout, stderr } = await muster(t, ['config', 'migrate', bacalhau('1.6-compute')]);
  assert.equal(code, 0);
  assert.equal(parse(stdout).compute.heartbeatFrequency, '15s');
  const lines = stderr.trimEnd().split('\n');
  assert.equal(lines.filter(line => line.startsWith(`Warning: ${bacalhau('1.6-compute')}:`)).length, 10);
  assert.equal(lines.filter(line => line.startsWith('Note:  ')).length, 2);
  assert.equal(lines.length, 12);
  assert.doesNotMatch(stdout + stderr, /new-s3cret/);
});

test('--output writes a new file with the secrets that only its owner can read, and replaces no file', async t => {
  const folder = await temporaryFolder(t);
  const output = join(folder, 'new.yaml');
  const args = ['config', 'migrate', bacalhau('1.4-compute'), '--output', output];
  const { code, stdout, stderr } = await muster(t, args);
  assert.deepEqual([code, stdout], [0, '']);
  assert.doesNotMatch(stderr, /old-s3cret/);
  assert.equal((await stat(output)).mode & 0o777, 0o600);
  const text = await readFile(output, 'utf8');
  assert.equal(parse(text).nats.token, 'old-s3cret');
  const checked = await muster(t, ['config', 'check', '--role', 'agent', output]);
  assert.deepEqual(checked, { code: 0, stdout: `Ok: ${output}\n`, stderr: '' });
  const again = await muster(t, args);
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.equal(
    again.stderr,
    `Error: ${output} exists already and was not changed\nHint:  name a new file with --output, or move the old one away\n`,
  );
  assert.equal(await readFile(output, 'utf8'), text);
  const link = join(folder, 'link.yaml');
  await symlink(join(folder, 'nowhere.yaml'), link);
  const linked = await muster(t, [...args.slice(0, -1), link]);
  assert.equal(linked.code, 1);
  assert.deepEqual((await readdir(folder)).sort(), ['link.yaml', 'new.yaml']);
  const lost = await muster(t, [...args.slice(0, -1), join(folder, 'none', 'x.yaml')]);
  assert.deepEqual(
    [lost.code, lost.stderr],
    [1, `Error: cannot write ${folder}/none/x.yaml: a part of the path does not exist\n`],
  );
});

test('a file that cannot be read or is not a configuration of Bacalhau is refused with exit code 78', async t => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'latin1'), Buffer.from([0x61, 0x3a, 0x20, 0xe9]));
  await writeFile(join(folder, 'huge'), 'Labels: {}\n'.padEnd(1024 * 1024 + 1, '#'));
  await writeFile(join(folder, 'broken'), 'Compute: {');
  await writeFile(join(folder, 'other'), 'services: {}\nversion: 3\n');
  const cases: [name: string, said: string][] = [
    ['none', 'there is no such file\n'],
    ['.', 'cannot be read: not a regular file\n'],
    ['latin1', 'is not text in UTF-8\n'],
    ['huge', 'cannot be read: larger than 1048576 bytes\n'],
    [
      'other',
      "none of its keys is one of Bacalhau's configuration\nHint:  name the config.yaml of a Bacalhau node\n",
    ],
  ];
  for (const [name, said] of cases) {
    const path = join(folder, name);
    const { code, stdout, stderr } = await muster(t, ['config', 'migrate', path]);
    assert.deepEqual([code, stdout, stderr], [78, '', `Error: ${path}: ${said}`]);
  }
  const { code, stderr } = await muster(t, ['config', 'migrate', join(folder, 'broken')]);
  assert.equal(code, 78);
  assert.match(stderr, /^Error: .*broken:1: not valid YAML: /);
});

test('at most 200 lines of one kind are shown', async t => {
  const file = await configFile(
    t,
    `DataDir: /x\nLabels: { Zone: eu }\n${Array.from({ length: 300 }, (_, index) => `X${index}: 1`).join('\n')}\n`,
  );
  const { code, stderr } = await muster(t, ['config', 'migrate', file]);
  const lines = stderr.trimEnd().split('\n');
  assert.deepEqual([code, lines.length], [0, 203]);
  assert.equal(lines[200], 'Warning: and 101 more');
});
