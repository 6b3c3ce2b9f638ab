// Tests what listeners hear of a certificate that the requester made for itself: when, and what.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { loadServerCertificate } from '../../../agent/broker/tls/server-certificate.ts';
import { CertificateNews } from '../../../agent/requester/authorities/certificate-news.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { newFolder } from '../../support/temporary.ts';

test('a certificate that is made is told once listeners are back, with its fingerprint, its names and its end', async () => {
  const clock = new FakeClock();
  const news = new CertificateNews(clock);
  const told: object[] = [];
  const folder = await newFolder();
  const load = (names: readonly string[]) =>
    loadServerCertificate(folder, names, {
      now: () => clock.now(),
      log: silentLog,
      onMade: made => news.onMade(made),
    });
  const first = await load(['localhost']);
  news.announceBy({ announce: (kind, data) => void told.push({ kind, ...data }) }, 'node-0');
  await clock.advance(29_000);
  assert.deepEqual(told, [], 'its broker has just started, and nobody is there');
  await clock.advance(1_000);
  const event = (chain: string, reason: string, names: string) => ({
    kind: 'certificate_renewed',
    actor: 'node-0',
    reason,
    fingerprint: new X509Certificate(chain).fingerprint256,
    names,
    until: new X509Certificate(chain).validToDate.toISOString(),
  });
  const expected = [event(first.chain, 'it had no usable one from this CA', 'localhost')];
  assert.deepEqual(told, expected);
  await load(['localhost']);
  await clock.advance(60_000);
  assert.deepEqual(told, expected, 'the certificate is kept');
  const second = await load(['localhost', 'head.example']);
  await clock.advance(30_000);
  expected.push(event(second.chain, 'the last one is not for head.example', 'localhost head.example'));
  assert.deepEqual(told, expected);
  await load(['other.example']);
  news.stop();
  await clock.advance(60_000);
  assert.deepEqual(told, expected, 'a requester that stops tells nothing');
});
