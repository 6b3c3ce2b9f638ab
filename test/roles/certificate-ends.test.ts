// The ends of the certificates that a requester shows: those that it made, an operator's own, and none.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { loadServerCertificate } from '../../agent/broker/tls/server-certificate.ts';
import { certificateEnds } from '../../agent/roles/certificate-ends.ts';
import { silentLog } from '../../agent/system/log.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { newFolder } from '../support/temporary.ts';

test('a certificate of broker and API stands there once, with its CA, and an own one of the API beside it', async () => {
  const folder = await newFolder();
  const now = () => new Date('2026-11-01T00:00:00Z');
  const { chain, end } = await loadServerCertificate(folder, ['localhost'], { now, log: silentLog });
  const endsAt = end.toISOString();
  const noEnd = '9999-12-31T23:59:59.000Z';
  assert.deepEqual(certificateEnds({ broker: chain, API: chain }), [
    { use: 'broker and API', endsAt },
    { use: 'CA of broker and API', endsAt: noEnd },
  ]);
  const own = await makeCertificate(folder, await makeAuthority(folder, 'other'), 'own', 'DNS:localhost');
  const API = await readFile(own.certFile, 'utf8');
  assert.deepEqual(certificateEnds({ broker: chain, API }), [
    { use: 'broker', endsAt },
    { use: 'CA of broker', endsAt: noEnd },
    { use: 'API', endsAt: new X509Certificate(API).validToDate.toISOString() },
  ]);
});

test('nothing is said where nothing is shown, and what cannot be read is left out', () => {
  assert.deepEqual(certificateEnds({}), []);
  assert.deepEqual(certificateEnds({ API: '' }), []);
  const torn = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  assert.deepEqual(certificateEnds({ broker: torn, API: 'no certificate' }), []);
});
