// A certificate whose key cannot be read is no certificate: a broker that nobody knows yet may show any.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { makeAuthority, makePrivateKey } from '../../agent/broker/tls/certificate.ts';
import { caPinOf } from '../../agent/transport/ca-pin.ts';
import { readCertificate } from '../../agent/transport/peer-certificate.ts';

test('a certificate with a key that is no point of its curve cannot be read', () => {
  const { raw, publicKey } = new X509Certificate(makeAuthority(makePrivateKey()));
  const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-65);
  const broken = Buffer.from(raw);
  broken.fill(0xff, raw.indexOf(point) + 1, raw.indexOf(point) + 33);
  // Node reads the certificate, and fails only when the key is asked for.
  assert.throws(() => caPinOf(new X509Certificate(broken)));
  assert.equal(readCertificate(broken), undefined);
  assert.equal(readCertificate(raw)?.raw.equals(raw), true);
  for (const text of ['', 'x', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----'])
    assert.equal(readCertificate(text), undefined);
});
