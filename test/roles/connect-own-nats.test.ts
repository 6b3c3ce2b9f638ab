// Where nodes find a NATS of one's own, and which CAs their join codes name: asked of a real server.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Settings } from '../../agent/config/settings.ts';
import { ownNatsAddresses } from '../../agent/roles/connect-own-nats.ts';
import { caPinsIn } from '../../agent/transport/ca-pin.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { recordLog } from '../support/log-lines.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { newFolder } from '../support/temporary.ts';

describe('join codes for a NATS that begins with TLS', () => {
  let server: NatsServer;
  let folder: string;
  let cas: string[];

  before(async () => {
    folder = await newFolder();
    const authorities = await Promise.all([0, 1, 2, 3, 4].map(each => makeAuthority(folder, `ca-${each}`)));
    cas = await Promise.all(authorities.map(({ certFile }) => readFile(certFile, 'utf8')));
    const [ca] = authorities;
    assert.ok(ca);
    const { certFile, keyFile } = await makeCertificate(folder, ca, 'nats', 'IP:127.0.0.1');
    const chain = join(folder, 'chain.pem');
    await writeFile(chain, (await readFile(certFile, 'utf8')) + cas[0]);
    server = await startNatsServer({
      scheme: 'tls',
      jetstream: false,
      config: `tls { cert_file: "${chain}", key_file: "${keyFile}", handshake_first: true }`,
    });
  });
  after(() => server?.release());

  /** Returns the addresses and the warnings with a file of these CAs. */
  async function addressesWith(texts: readonly string[], changes: Partial<Settings['nats']> = {}) {
    const caFile = join(folder, `${texts.length}.pem`);
    await writeFile(caFile, texts.join(''));
    const given = defaultSettings();
    const nats = { ...given.nats, servers: [server.url], tls: { ...given.nats.tls, caFile }, ...changes };
    const { log, lines } = recordLog();
    return {
      ...(await ownNatsAddresses({ ...given, nats }, log)),
      warned: lines.map(({ message }) => message),
    };
  }

  test('name all CAs that the requester trusts, so that one can be replaced', async () => {
    const { servers, pins, warned, localOnly } = await addressesWith(cas.slice(0, 2));
    assert.deepEqual([servers, localOnly, warned], [[server.url], true, []]);
    assert.deepEqual(pins, caPinsIn(cas.slice(0, 2).join('')));
  });

  test('have addresses with TLS where the requester insists on it by another setting', async () => {
    const plain = [server.url.replace('tls:', 'nats:')];
    assert.deepEqual((await addressesWith(cas.slice(0, 1), { servers: plain })).servers, [server.url]);
    const free = await addressesWith([], { servers: plain, tls: defaultSettings().nats.tls });
    assert.deepEqual([free.servers, free.pins, free.warned], [plain, [], []]);
  });

  test('name none when there are more than a code can hold, which the requester says', async () => {
    const { pins, warned } = await addressesWith(cas);
    assert.deepEqual(pins, []);
    assert.match(warned.join(), /5 CAs, and a join code names 4 at most/);
  });

  test('name none that no server shows, which the requester says', async () => {
    const { pins, warned } = await addressesWith(cas.slice(1, 2));
    assert.deepEqual(pins, []);
    assert.match(warned.join(), /handshake_first/);
  });
});
