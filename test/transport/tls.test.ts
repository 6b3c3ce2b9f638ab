// Tests TLS with a real broker: certificates, CAs, and the files that the settings name.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TlsFiles } from '../../agent/transport/tls.ts';
import { type Certificate, makeAuthority, makeCertificate } from '../support/certificates.ts';
import { connectTo, stateOf } from '../support/connections.ts';
import { startNatsServer } from '../support/nats-server.ts';

const folder = await mkdtemp(join(tmpdir(), 'muster-tls-'));
after(() => rm(folder, { recursive: true }));

const authority = await makeAuthority(folder, 'authority');
const stranger = await makeAuthority(folder, 'stranger');
const ours = await makeCertificate(folder, authority, 'ours', 'IP:127.0.0.1,DNS:localhost');
const elsewhere = await makeCertificate(folder, authority, 'elsewhere', 'DNS:broker.example');
const client = await makeCertificate(folder, authority, 'client', 'DNS:client');
const caFile = authority.certFile;

const tlsConfig = ({ certFile, keyFile }: Certificate, more = '') =>
  `tls { cert_file: "${certFile}", key_file: "${keyFile}"${more && `, ${more}`} }`;

const server = await startNatsServer({ scheme: 'tls', jetstream: false, config: tlsConfig(ours) });
const plain = await startNatsServer({ jetstream: false });
after(() => Promise.all([server.release(), plain.release()]));

async function failure(url: string, tls?: TlsFiles, connectTimeoutMs = 15_000) {
  const connection = connectTo(url, { tls: () => tls, connectTimeoutMs });
  const { fault, reason } = await stateOf(connection, 'disconnected');
  await connection.close();
  return { fault, reason };
}

test('a private CA is used by address and by name, with tls:// or because the broker demands TLS', async () => {
  for (const url of [server.url, `tls://localhost:${server.port}`, `nats://127.0.0.1:${server.port}`]) {
    const connection = connectTo(url, { tls: () => ({ caFile }) });
    await connection.connected();
    assert.equal(connection.state.kind === 'connected' && connection.state.isEncrypted, true);
    connection.subscribe('echo', message => message.respond(message.data));
    assert.equal((await connection.request('echo', 'over TLS', 5_000)).data.length, 8);
  }
});

test('TLS may begin before the greeting', async t => {
  const first = await startNatsServer({
    scheme: 'tls',
    jetstream: false,
    config: tlsConfig(ours, 'handshake_first: true'),
  });
  t.after(() => first.release());
  await connectTo(first.url, { tls: () => ({ caFile, handshakeFirst: true }) }).connected();
  // After two seconds, the server itself would close the connection.
  assert.match(
    (await failure(first.url, { caFile }, 1_000)).reason,
    /no greeting within 1 s: .*wants nats.tls.handshakeFirst$/,
  );
  assert.deepEqual(await failure(plain.url, { caFile, handshakeFirst: true }), {
    fault: 'tls',
    reason: `${plain.url} does not begin with TLS: unset nats.tls.handshakeFirst, or check the port`,
  });
});

test('the broker may want a client certificate', async t => {
  const strict = await startNatsServer({
    scheme: 'tls',
    jetstream: false,
    config: tlsConfig(ours, `ca_file: "${caFile}", verify: true`),
  });
  t.after(() => strict.release());
  await connectTo(strict.url, { tls: () => ({ caFile, ...client }) }).connected();
  assert.deepEqual(await failure(strict.url, { caFile }), {
    fault: 'tls',
    reason: `the broker at ${strict.url} wants a client certificate: set nats.tls.certFile and nats.tls.keyFile`,
  });
  assert.deepEqual(await failure(strict.url, { caFile, ...stranger }), {
    fault: 'tls',
    reason: `the broker at ${strict.url} refused our certificate in nats.tls.certFile (${stranger.certFile})`,
  });
});

test('a certificate that is not trusted is refused', async t => {
  const other = await startNatsServer({ scheme: 'tls', jetstream: false, config: tlsConfig(elsewhere) });
  t.after(() => other.release());
  const its = `the certificate of the broker at ${server.url}`;
  assert.deepEqual(await failure(server.url, { caFile: stranger.certFile }), {
    fault: 'tls',
    reason: `${its} is not signed by the CA in nats.tls.caFile (${stranger.certFile})`,
  });
  assert.deepEqual(await failure(server.url), {
    fault: 'tls',
    reason: `${its} is not signed by a CA that this machine trusts: set nats.tls.caFile to the CA that signed it`,
  });
  assert.deepEqual(await failure(other.url, { caFile }), {
    fault: 'tls',
    reason: `the certificate of the broker at ${other.url} is for broker.example and not for 127.0.0.1: name the broker in nats.servers as its certificate does`,
  });
});

test('a broker that does not offer TLS is refused when the settings want it', async () => {
  for (const [url, tls] of [
    [plain.url.replace('nats:', 'tls:'), undefined],
    [plain.url, { caFile }],
  ] as const)
    assert.deepEqual(await failure(url, tls), {
      fault: 'tls',
      reason: `the broker at ${url} does not offer TLS, and nats.servers or nats.tls asks for it`,
    });
});

test('missing files and files of another kind are refused', async () => {
  const missing = join(folder, 'missing.pem');
  const garbage = join(folder, 'garbage.pem');
  await writeFile(garbage, 'not a certificate');
  const cases: [TlsFiles, string | RegExp][] = [
    [{ caFile: missing }, `nats.tls.caFile: there is no file ${missing}`],
    [{ caFile: garbage }, `nats.tls.caFile: ${garbage} is not a PEM file with a certificate`],
    [
      { caFile, ...client, keyFile: garbage },
      `nats.tls.keyFile: ${garbage} is not a PEM file with a private key`,
    ],
    [
      { caFile, certFile: client.certFile },
      'nats.tls.certFile and nats.tls.keyFile belong together: set both or neither',
    ],
    [
      { caFile, certFile: client.certFile, keyFile: ours.keyFile },
      /^nats\.tls: .* cannot be used together: .*key/,
    ],
  ];
  for (const [tls, expected] of cases) {
    const { fault, reason } = await failure(server.url, tls);
    assert.equal(fault, 'tls');
    if (typeof expected === 'string') assert.equal(reason, expected);
    else assert.match(reason, expected);
  }
});

test('a renewed CA is read again at the next attempt', async () => {
  const rotating = join(folder, 'rotating.pem');
  const { readFile } = await import('node:fs/promises');
  await writeFile(rotating, await readFile(stranger.certFile));
  const connection = connectTo(server.url, { tls: () => ({ caFile: rotating }) });
  await stateOf(connection, 'disconnected');
  await writeFile(rotating, await readFile(caFile));
  await connection.connected();
});
