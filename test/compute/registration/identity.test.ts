// The node's key pair is made once, stays private, and is never replaced silently.
import assert from 'node:assert/strict';
import { createPublicKey, sign, verify } from 'node:crypto';
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { identityFile, loadIdentity } from '../../../agent/compute/registration/identity.ts';
import { fingerprint } from '../../../agent/protocol/nkey.ts';
import { newFolder } from '../../support/temporary.ts';
import { asUnprivileged, unprivilegedFolder } from '../../support/unprivileged.ts';

// The key pair of RFC 8032, section 7.1, test 1, as `nkeys.js` writes it.
const rfc = {
  seed: 'SNAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YFXBM',
  key: 'NDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUM4A',
  signature:
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
};

const mode = async (path: string) => (await stat(path)).mode & 0o777;

test('a key pair is made at the first start, is the same at the next, and only its owner may read it', async () => {
  const folder = await newFolder();
  const made = await loadIdentity(folder);
  assert.match(made.publicKey, /^N[A-Z2-7]{55}$/);
  assert.equal(made.fingerprint, fingerprint(made.publicKey));
  assert.equal(await mode(join(folder, identityFile)), 0o600);
  assert.deepEqual(await readdir(folder), [identityFile]);
  const again = await loadIdentity(folder);
  assert.equal(again.publicKey, made.publicKey);
  assert.ok(again.privateKey.equals(made.privateKey));
  assert.notEqual((await loadIdentity(await newFolder())).publicKey, made.publicKey);
});

test('the key pair is read from the file', async () => {
  const folder = await newFolder();
  for (const text of [rfc.seed, `${rfc.seed}\n`, ` ${rfc.seed}\r\n`]) {
    await writeFile(join(folder, identityFile), text);
    const { publicKey, privateKey } = await loadIdentity(folder);
    assert.equal(publicKey, rfc.key);
    const signature = sign(null, new Uint8Array(), privateKey);
    assert.equal(signature.toString('hex'), rfc.signature);
    assert.ok(verify(null, new Uint8Array(), createPublicKey(privateKey), signature));
  }
});

test('a file that holds no key is refused and left as it is', async () => {
  const folder = await newFolder();
  const path = join(folder, identityFile);
  const broken = [
    '',
    '\0'.repeat(58),
    rfc.seed.slice(0, -1),
    rfc.seed.replace('SN', 'SU'),
    rfc.seed.replace('J2Y', 'J3Y'),
    rfc.seed.toLowerCase(),
    rfc.key,
    `${rfc.seed}\n${rfc.seed}`,
    '-----BEGIN PRIVATE KEY-----',
  ];
  for (const text of broken) {
    await writeFile(path, text);
    await assert.rejects(loadIdentity(folder), {
      code: 'bad_state',
      message: `${path} does not hold this node's key`,
      hint: /^restore it from a backup, or remove it/,
    });
    assert.equal(await readFile(path, 'utf8'), text);
  }
  await writeFile(path, `${rfc.seed}${' '.repeat(1024)}`);
  await assert.rejects(loadIdentity(folder), { code: 'bad_state', message: /larger than 1024 bytes$/ });
});

test('no part of the key is in the error about a broken file', async () => {
  const folder = await newFolder();
  await writeFile(join(folder, identityFile), rfc.seed.replace('J2Y', 'J3Y'));
  const error = await loadIdentity(folder).catch((caught: Error) => caught);
  const text = JSON.stringify([error, String(error), String('cause' in error && error.cause)]);
  assert.ok(!text.includes(rfc.seed.slice(10, 20)));
});

test('a file that others may read is closed to them', async () => {
  const folder = await newFolder();
  const path = join(folder, identityFile);
  await writeFile(path, rfc.seed);
  for (const open of [0o644, 0o640, 0o604, 0o666]) {
    await chmod(path, open);
    assert.equal((await loadIdentity(folder)).publicKey, rfc.key);
    assert.equal(await mode(path), 0o600);
  }
  await chmod(path, 0o400);
  await loadIdentity(folder);
  assert.equal(await mode(path), 0o400);
});

test('as a user to whom permissions apply', async () => {
  const folder = await unprivilegedFolder();
  after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, identityFile);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) await writeFile(path, rfc.seed, { mode: 0o644 });
  await asUnprivileged(async () => {
    if (isRoot) {
      // A file of another user cannot be closed to others.
      const cannot = { code: 'not_writable', message: /identity\.nk cannot be closed to them: EPERM/ };
      await assert.rejects(loadIdentity(folder), cannot);
      await rm(path);
    }
    await chmod(folder, 0o500);
    const denied = { code: 'not_writable', message: /identity\.nk: permission denied$/ };
    await assert.rejects(loadIdentity(folder), denied);
    await chmod(folder, 0o700);
    const { publicKey } = await loadIdentity(folder);
    await chmod(folder, 0o500);
    assert.equal((await loadIdentity(folder)).publicKey, publicKey);
    await chmod(path, 0);
    await assert.rejects(loadIdentity(folder), { code: 'bad_state', message: /^cannot read .*EACCES/ });
    await chmod(folder, 0o700);
  });
});
