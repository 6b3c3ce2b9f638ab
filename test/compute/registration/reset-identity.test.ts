// An identity that is set aside stays readable, and the next start makes another key and another id.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { identityFile, loadIdentity } from '../../../agent/compute/registration/identity.ts';
import { resetIdentity } from '../../../agent/compute/registration/reset-identity.ts';
import { newFolder } from '../../support/temporary.ts';

test('key, id and registration are set aside under names of their own, and nothing else is touched', async () => {
  const folder = await newFolder();
  const { fingerprint } = await loadIdentity(folder);
  for (const name of ['node.yaml', 'node-1.registration.json', 'inventory.json', 'cluster.json'])
    await writeFile(join(folder, name), name);
  const first = await resetIdentity(folder, new Date('2026-01-02T03:04:05.678Z'));
  const suffix = '.aside-20260102T030405678Z';
  const aside = [identityFile, 'node-1.registration.json', 'node.yaml'].map(name => `${name}${suffix}`);
  assert.deepEqual(
    first,
    aside.map(name => join(folder, name)),
  );
  assert.deepEqual((await readdir(folder)).sort(), [...aside, 'cluster.json', 'inventory.json'].sort());
  assert.notEqual((await loadIdentity(folder)).fingerprint, fingerprint);
  // The earlier key stays.
  await resetIdentity(folder, new Date('2026-01-02T03:04:06Z'));
  assert.equal((await readdir(folder)).filter(name => name.startsWith(identityFile)).length, 2);
});

test('a folder without an identity, or none, has nothing to set aside', async () => {
  const folder = await newFolder();
  assert.deepEqual(await resetIdentity(folder, new Date()), []);
  assert.deepEqual(await resetIdentity(join(folder, 'none'), new Date()), []);
});
