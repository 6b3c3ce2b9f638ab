// Tests certificates that the operator made: what fits is used, and what does not fit is refused before the broker starts.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadOwnCertificate, type OwnCertificateFiles } from '../../../agent/broker/tls/own-certificate.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { caPinOf } from '../../../agent/transport/ca-pin.ts';
import { makeAuthority, makeCertificate } from '../../support/certificates.ts';
import { newFolder } from '../../support/temporary.ts';

const folder = await newFolder();
const authority = await makeAuthority(folder, 'authority');
const stranger = await makeAuthority(folder, 'stranger');
const middle = await makeCertificate(
  folder,
  authority,
  'middle',
  'DNS:middle\nbasicConstraints=critical,CA:TRUE',
);
const direct = await makeCertificate(folder, authority, 'direct', 'DNS:broker.example,IP:10.0.0.1');
const below = await makeCertificate(folder, middle, 'below', 'DNS:*.cluster.example');
const now = new Date();
const pinOfFile = async (file: string) => caPinOf(new X509Certificate(await readFile(file)));

test('a certificate of a CA is used, and the CA is added to what the broker sends', async () => {
  const state = await newFolder();
  const own = await loadOwnCertificate(
    { ...direct, caFile: authority.certFile },
    ['broker.example'],
    state,
    now,
  );
  assert.equal(own.certFile, join(state, 'own-chain.pem'));
  assert.equal(own.chain, await readFile(own.certFile, 'utf8'));
  assert.equal(own.chain.match(/BEGIN CERTIFICATE/g)?.length, 2);
  assert.equal(own.pin, await pinOfFile(authority.certFile));
  assert.deepEqual([own.localName, own.keyFile], ['broker.example', direct.keyFile]);
});

test('without a CA file the certificate is used as it is, and without broker.advertise by its own name', async () => {
  const own = await loadOwnCertificate(direct, [], folder, now);
  assert.deepEqual([own.certFile, own.pin, own.localName], [direct.certFile, undefined, 'broker.example']);
  const selfSigned = await loadOwnCertificate(authority, [], folder, now).catch(error => error);
  assert.match(String(selfSigned), /is for no name/);
});

test('certificates between the CA and that of the broker may stand in any order, and in a file with other CAs', async () => {
  const certFile = join(folder, 'all.pem');
  await writeFile(certFile, await readFile(below.certFile));
  const caFile = join(folder, 'bundle.pem');
  await writeFile(caFile, await readFile(stranger.certFile));
  await appendFile(caFile, await readFile(authority.certFile));
  const files = { certFile, keyFile: below.keyFile, caFile };
  await refused(
    files,
    ['a.cluster.example'],
    'bad_config',
    /no CA in .*bundle\.pem signed CN=below in .*all\.pem/,
  );
  await appendFile(certFile, await readFile(middle.certFile));
  const own = await loadOwnCertificate(files, ['a.cluster.example'], folder, now);
  assert.equal(own.pin, await pinOfFile(authority.certFile));
  assert.equal(own.chain.match(/BEGIN CERTIFICATE/g)?.length, 3);
});

test('what does not belong together is refused, with the files and what to do', async () => {
  const torn = join(folder, 'torn.pem');
  await writeFile(torn, '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
  const names = ['broker.example'];
  const missing = join(folder, 'missing.pem');
  const cases: [OwnCertificateFiles, string[], RegExp][] = [
    [{ ...direct, certFile: missing }, names, /^broker\.tls\.certFile: there is no file .*missing\.pem$/],
    [{ ...direct, certFile: direct.keyFile }, names, /direct\.key is not a PEM file with a certificate/],
    [{ ...direct, certFile: torn }, names, /a certificate in .*torn\.pem cannot be read/],
    [{ ...direct, keyFile: torn }, names, /torn\.pem does not contain a private key that can be used/],
    [
      { ...direct, keyFile: below.keyFile },
      names,
      /below\.key is not the key of the certificate in .*direct\.pem/,
    ],
    [{ ...direct, caFile: stranger.certFile }, names, /no CA in .*stranger\.pem signed CN=direct in/],
    [
      direct,
      ['other.example', '10.0.0.1'],
      /is not for other\.example, which broker\.advertise names; it is for broker\.example, 10\.0\.0\.1$/,
    ],
    [below, [], /is for \*\.cluster\.example, so muster cannot tell how nodes reach the broker/],
  ];
  const usage = 'DNS:client.example\nextendedKeyUsage=clientAuth';
  const clients = await makeCertificate(folder, authority, 'clients', usage);
  cases.push([clients, ['client.example'], /clients\.pem is not for servers, so no client accepts it/]);
  for (const [files, wanted, message] of cases) await refused(files, wanted, 'bad_config', message);
});

test('a certificate that is not valid now is refused with both times, and the service may start again later', async () => {
  const later = new Date('2035-01-01T00:00:00Z');
  await refused(
    direct,
    [],
    'failed',
    /has expired: it was valid until .*, and the clock of this machine says 2035-01-01T00:00:00Z$/,
    later,
  );
  await refused(
    direct,
    [],
    'failed',
    /is not valid yet: it is valid from .* says 1970-01-01T00:00:00Z$/,
    new Date(0),
  );
});

async function refused(
  files: OwnCertificateFiles,
  names: string[],
  code: string,
  message: RegExp,
  at = now,
): Promise<void> {
  await assert.rejects(loadOwnCertificate(files, names, folder, at), error => {
    assert.ok(error instanceof MusterError, String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code, error.message);
    assert.ok(error.hint, error.message);
    return true;
  });
}
