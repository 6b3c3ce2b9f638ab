// Hands the keys of one requester to another through files, and tries what must not replace anything.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadOwnNatsAccess } from '../../agent/broker/broker-access.ts';
import { makeAuthority, makePrivateKey } from '../../agent/broker/tls/certificate.ts';
import { ProtocolError } from '../../agent/protocol/error.ts';
import { readSharedKeys, writeSharedKeys } from '../../agent/protocol/shared-keys.ts';
import { loadTokenFile } from '../../agent/requester/enrolment/token-file.ts';
import { collectSharedKeys, takeSharedKeys } from '../../agent/roles/share-keys.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { newFolder } from '../support/temporary.ts';

async function requesterFolders(): Promise<{ data: string; first: string; second: string }> {
  const data = await newFolder();
  const [first, second] = [join(data, 'requester'), join(data, 'second')];
  for (const folder of [first, second]) await mkdir(folder);
  return { data, first, second };
}

test('the other requester has the same issuer, box and bystander, but a login of its own', async () => {
  const { data, first, second } = await requesterFolders();
  const keys = await collectSharedKeys(data, defaultSettings());
  const { login, caFile } = await takeSharedKeys(second, readSharedKeys(Buffer.from(writeSharedKeys(keys))));
  const [one, other] = [await loadOwnNatsAccess(first), await loadOwnNatsAccess(second)];
  assert.equal(other.issuer.publicKey, one.issuer.publicKey);
  assert.equal(other.box.publicKey, one.box.publicKey);
  assert.equal(other.bystander.publicKey, one.bystander.publicKey);
  assert.notEqual(other.requester.publicKey, one.requester.publicKey);
  assert.deepEqual([login, caFile], [other.requester.publicKey, undefined]);
  for (const name of await readdir(second))
    assert.equal((await stat(join(second, name))).mode & 0o777, 0o600);
  assert.deepEqual(keys.servers, ['nats://127.0.0.1:4222']);
});

test('the token of Bacalhau nodes and the CA of the broker go along', async () => {
  const { data, first, second } = await requesterFolders();
  const { broker, requester, ...rest } = defaultSettings();
  const settings = {
    ...rest,
    broker: { ...broker, host: '0.0.0.0', port: 4333, advertise: ['broker.example'] },
    requester: { ...requester, unverifiedNodes: true },
  };
  await assert.rejects(collectSharedKeys(data, settings), /does not contain the CA of the broker yet/);
  const [ca, next] = [makeAuthority(makePrivateKey()), makeAuthority(makePrivateKey())];
  await writeFile(join(first, 'ca.pem'), ca);
  await writeFile(join(first, 'next-ca.pem'), next);
  const keys = await collectSharedKeys(data, settings);
  assert.deepEqual(keys.servers, ['tls://broker.example:4333']);
  const { caFile = '' } = await takeSharedKeys(second, keys);
  assert.equal(await readFile(caFile, 'utf8'), ca + next);
  assert.equal(
    await loadTokenFile(join(second, 'bacalhau.token')),
    await loadTokenFile(join(first, 'bacalhau.token')),
  );
});

test('taking the same keys again changes nothing, and a requester with other keys keeps them all', async () => {
  const { data, second } = await requesterFolders();
  const keys = await collectSharedKeys(data, defaultSettings());
  const { login } = await takeSharedKeys(second, keys);
  assert.equal((await takeSharedKeys(second, keys)).login, login);
  const third = join(data, 'third');
  await mkdir(third);
  const before = await loadOwnNatsAccess(third);
  await assert.rejects(takeSharedKeys(third, { ...keys, ca: '-----BEGIN CERTIFICATE-----' }), {
    code: 'conflict',
  });
  assert.equal((await loadOwnNatsAccess(third)).issuer.publicKey, before.issuer.publicKey);
  assert.deepEqual((await readdir(third)).sort(), ['callout.xk', 'issuer.nk', 'requester.nk']);
});

test('a file that is torn, foreign or newer is refused, and the error shows no secret', async () => {
  const { data } = await requesterFolders();
  const keys = await collectSharedKeys(data, defaultSettings());
  const text = writeSharedKeys(keys);
  const newer = text.replace('"musterKeys": 1', '"musterKeys": 2');
  const foreign = text.replace(/"issuer": "SA/, '"issuer": "SU');
  for (const bad of [text.slice(0, -20), '', '{}', '[]', foreign, newer]) {
    assert.throws(
      () => readSharedKeys(Buffer.from(bad)),
      error =>
        error instanceof ProtocolError &&
        !error.message.includes(keys.issuer.slice(2)) &&
        !error.message.includes(keys.box),
      bad,
    );
  }
  assert.throws(() => readSharedKeys(Buffer.from(newer)), /a newer version of muster has written it/);
});
