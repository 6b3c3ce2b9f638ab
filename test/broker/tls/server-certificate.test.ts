// Tests the requester's own CA and its server certificate: openssl accepts them, and they are replaced only when needed.
import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAuthority, makeAuthorityKey, makePrivateKey } from '../../../agent/broker/tls/certificate.ts';
import { certificateFiles, loadServerCertificate } from '../../../agent/broker/tls/server-certificate.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { caPinOf, keyPinOf } from '../../../agent/transport/ca-pin.ts';
import { namesOf } from '../../../agent/transport/peer-certificate.ts';
import { verifyStrictly } from '../../support/certificates.ts';
import { newFolder } from '../../support/temporary.ts';

const names = ['localhost', '127.0.0.1', '::1', '10.0.0.255', '2001:db8::7', 'head-1.example.com'];
const today = new Date('2026-11-28T08:00:00Z');
const load = (folder: string, wanted = names, now = today) =>
  loadServerCertificate(folder, wanted, { now: () => now, log: silentLog });

const later = (days: number) => new Date(today.getTime() + days * 24 * 3_600_000);

test('the first start makes a CA and a certificate of ten years, which openssl accepts by its strict rules', async () => {
  const folder = await newFolder();
  const { chain, ca = '', pin, end } = await load(folder);
  const files = certificateFiles(folder);
  for (const name of ['head-1.example.com', 'localhost'])
    await verifyStrictly(files.ca, files.cert, { name });
  for (const address of ['10.0.0.255', '2001:db8::7', '::1'])
    await verifyStrictly(files.ca, files.cert, { address });
  assert.equal(end.toISOString(), '2036-11-28T08:00:00.000Z');
  assert.equal(
    new X509Certificate(chain).validFromDate.getTime(),
    0,
    'a clock that was reset does not matter',
  );
  assert.equal(new X509Certificate(ca).validToDate.getUTCFullYear(), 9999);
  assert.equal(pin, caPinOf(new X509Certificate(ca)));
  assert.ok(chain.endsWith(ca), 'the chain that the server sends ends with the CA');
  for (const file of Object.values(files)) assert.equal((await stat(file)).mode & 0o777, 0o600, file);
});

test('the pin of a CA that is made begins with no dash, by which a command would take it for a flag', () => {
  const keys = new Map<boolean, KeyObject>();
  while (keys.size < 2) {
    const key = makePrivateKey();
    keys.set(keyPinOf(createPublicKey(key)).startsWith('-'), key);
  }
  const [good, bad] = [keys.get(false), keys.get(true)];
  assert.ok(good && bad);
  const made = [bad, bad, good];
  assert.equal(
    makeAuthorityKey(() => made.shift() ?? assert.fail()),
    good,
  );
  assert.deepEqual(made, []);
  const pin = caPinOf(new X509Certificate(makeAuthority(good)));
  assert.equal(pin, keyPinOf(createPublicKey(good)));
});

test('a later start makes nothing; other names and a near end make another certificate of the same CA', async () => {
  const folder = await newFolder();
  const first = await load(folder);
  assert.deepEqual(await load(folder, [...names].reverse(), later(3_500)), first);
  const fewer = await load(folder, names.slice(0, 4));
  assert.equal(namesOf(new X509Certificate(fewer.chain)).length, 4);
  const more = await load(folder);
  const renewed = await load(folder, names, later(10 * 365.25 - 80));
  assert.equal(new Set([first, fewer, more, renewed].map(each => each.chain)).size, 4);
  assert.equal(new Set([first, fewer, more, renewed].map(each => each.pin)).size, 1);
});

test('a requester whose clock was reset makes a certificate that is good for years all the same', async () => {
  const { end } = await load(await newFolder(), names, new Date(5_000));
  assert.equal(end.getUTCFullYear(), 2036);
});

test('what a crash left half done is completed, and the CA keeps its pin', async () => {
  const folder = await newFolder();
  const { pin } = await load(folder);
  const files = certificateFiles(folder);
  await rm(files.ca);
  await rm(files.cert);
  assert.equal((await load(folder)).pin, pin, 'the key was written and the CA was not');
  await rm(files.key);
  const other = await load(folder);
  await writeFile(files.key, (await load(await newFolder())).key);
  assert.notEqual((await load(folder)).chain, other.chain, 'the key was written and the certificate was not');
});

test('a torn or foreign file is refused with what to do, and never replaced', async () => {
  const foreign = certificateFiles(await newFolder());
  await load(join(foreign.ca, '..'));
  const cases: [keyof typeof foreign, string | undefined, RegExp, RegExp][] = [
    ['caKey', undefined, /ca\.pem is there, and its key .*ca\.key is not/, /restore .*join code/],
    ['caKey', '-----BEGIN PRIV', /ca\.key does not contain a private key/, /restore it from a backup/],
    ['caKey', await readFile(foreign.caKey, 'utf8'), /ca\.pem does not belong to its key/, /restore both/],
    ['ca', '-----BEGIN CERTIFICATE-----\nMII', /ca\.pem does not contain a certificate/, /made again/],
    ['ca', await readFile(foreign.ca, 'utf8'), /ca\.pem does not belong to its key/, /restore both/],
    ['key', 'torn', /server\.key does not contain a private key/, /remove it, and a new one is made/],
    ['cert', 'torn', /server\.pem does not contain a certificate/, /remove it/],
    ['cert', await readFile(foreign.cert, 'utf8'), /is not signed by the CA in/, /broker\.tls\.certFile/],
  ];
  for (const [file, content, message, hint] of cases) {
    const folder = await newFolder();
    await load(folder);
    const path = certificateFiles(folder)[file];
    if (content === undefined) await rm(path);
    else await writeFile(path, content);
    await assert.rejects(load(folder), error => {
      assert.ok(error instanceof MusterError && error.code === 'bad_state', String(error));
      assert.match(error.message, message);
      assert.match(error.hint ?? '', hint);
      return true;
    });
    if (content !== undefined) assert.equal(await readFile(path, 'utf8'), content);
  }
});

test('a key that others may read is closed to them', async () => {
  const folder = await newFolder();
  await load(folder);
  const { caKey, key } = certificateFiles(folder);
  for (const file of [caKey, key]) await chmod(file, 0o644);
  await load(folder);
  for (const file of [caKey, key]) assert.equal((await stat(file)).mode & 0o777, 0o600);
});
