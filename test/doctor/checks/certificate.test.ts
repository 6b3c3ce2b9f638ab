// Checks the findings about the certificate of the requester's own broker.
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { certificateFiles, loadServerCertificate } from '../../../agent/broker/tls/server-certificate.ts';
import type { Settings } from '../../../agent/config/settings.ts';
import { certificate } from '../../../agent/doctor/checks/certificate.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { caPinsIn } from '../../../agent/transport/ca-pin.ts';
import { makeAuthority, makeCertificate } from '../../support/certificates.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { newFolder } from '../../support/temporary.ts';
import { context } from './context.ts';

const machine = () => ({ hostname: 'head-1', interfaces: {} });
const today = new Date('2026-11-28T08:00:00Z');

async function lines(data: string, broker: Partial<Settings['broker']>, now = today): Promise<string[]> {
  const settings = (given: Settings) => ({ ...given, broker: { ...given.broker, ...broker } });
  const check = certificate(context({ data, roles: ['requester'], settings }), new FakeClock(now), machine);
  return (await check.run()).map(({ status, text, remedy }) => [status, text, remedy].join(' ').trim());
}

test('the certificate that the requester made: its end, its names, and who may read its key', async () => {
  const data = await newFolder();
  const open = { host: '0.0.0.0' };
  assert.deepEqual(await lines(data, {}), [], 'on the loopback there is no TLS');
  assert.deepEqual(await lines(data, open), [
    'ok there is none yet: the requester makes one at its next start',
  ]);
  const folder = join(data, 'requester');
  await mkdir(folder);
  const files = certificateFiles(folder);
  const names = ['localhost', '127.0.0.1', '::1', 'head-1'];
  const { pin } = await loadServerCertificate(folder, names, { now: () => today, log: silentLog });
  assert.deepEqual(await lines(data, open), [
    `ok ${files.cert} is valid until 2036-11-28, CA with the pin ${pin}`,
  ]);
  const late = (await lines(data, open, new Date('2037-01-01T00:00:00Z'))).join();
  assert.match(
    late,
    /^failed .* has expired: .* says 2037-01-01T00:00:00Z set the clock .*restart the requester/,
  );
  assert.match(
    (await lines(data, { ...open, advertise: ['broker.example'] }))[1] ?? '',
    /^warning .* is not for broker\.example: nodes and commands that use it are turned away restart the requester/,
  );
  await chmod(files.key, 0o644);
  assert.match(
    (await lines(data, open))[1] ?? '',
    /^failed .*server\.key can be read by others \(mode 644\)/,
  );
  await writeFile(files.cert, 'torn');
  assert.match(
    (await lines(data, open)).join(),
    /^failed .*server\.pem does not contain a certificate remove it/,
  );
});

test('the certificate of an API beyond the loopback, where the broker is another one: operators need its pin', async () => {
  const data = await newFolder();
  const folder = join(data, 'requester');
  await mkdir(folder);
  const names = ['localhost', '127.0.0.1', '::1', 'head-1'];
  const { pin } = await loadServerCertificate(folder, names, { now: () => today, log: silentLog });
  const ofApi = async (host: string) => {
    const settings = (given: Settings): Settings => ({
      ...given,
      nats: { ...given.nats, servers: ['tls://far:4222'] },
      api: { ...given.api, host },
    });
    const check = certificate(
      context({ data, roles: ['requester'], settings }),
      new FakeClock(today),
      machine,
    );
    return (await check.run()).map(({ text }) => text);
  };
  assert.deepEqual(await ofApi('127.0.0.1'), []);
  assert.deepEqual(await ofApi('0.0.0.0'), [
    `the API: ${certificateFiles(folder).cert} is valid until 2036-11-28, CA with the pin ${pin}`,
  ]);
});

test('on a NATS of one’s own, the pins of the CAs that the requester trusts', async () => {
  const folder = await newFolder();
  const [one, two] = [await makeAuthority(folder, 'one'), await makeAuthority(folder, 'two')];
  const text = (await readFile(one.certFile, 'utf8')) + (await readFile(two.certFile, 'utf8'));
  const caFile = join(folder, 'both.pem');
  await writeFile(caFile, text);
  const linesFor = async (tls: object) => {
    const settings = (given: Settings): Settings => ({
      ...given,
      nats: { ...given.nats, servers: ['tls://far:4222'], tls: { ...given.nats.tls, ...tls } },
    });
    const check = certificate(context({ roles: ['requester'], settings }), new FakeClock(today), machine);
    return (await check.run()).map(({ status, text }) => `${status} ${text}`);
  };
  assert.deepEqual(await linesFor({}), []);
  const [pin, other] = caPinsIn(text);
  assert.notEqual(pin, other);
  assert.deepEqual(await linesFor({ caFile: one.certFile }), [`ok ${one.certFile}: CA with the pin ${pin}`]);
  assert.deepEqual(await linesFor({ caFile }), [`ok ${caFile}: CAs with the pins ${pin}, ${other}`]);
  await writeFile(caFile, text.replace('MII', '!!!'));
  assert.match(
    (await linesFor({ caFile })).join(),
    /^failed .*both\.pem has a certificate that cannot be read/,
  );
  assert.deepEqual(await linesFor({ caFile: join(folder, 'none') }), [], 'another check says that');
});

test("an operator's own certificate: its end, and what does not fit", async () => {
  const folder = await newFolder();
  const authority = await makeAuthority(folder, 'authority');
  const own = await makeCertificate(folder, authority, 'own', 'DNS:broker.example');
  const tls = { ...own, caFile: authority.certFile };
  const soon = (await lines(folder, { tls }, new Date(Date.now() + 1_000))).join();
  assert.match(soon, /^warning .*own\.pem ends on 20.* renew it, and restart the requester$/);
  const other = (await lines(folder, { tls, advertise: ['other.example'] }, new Date())).join();
  assert.match(other, /^failed .* is not for other\.example, which broker\.advertise names/);
});
