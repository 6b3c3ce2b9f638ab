// Attacks on a client that knows the broker's CA by its pin: none of them gets a byte of its credentials.
import assert from 'node:assert/strict';
import { type KeyObject, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeAuthority, makePrivateKey, makeServerCertificate } from '../../agent/broker/tls/certificate.ts';
import { loadServerCertificate } from '../../agent/broker/tls/server-certificate.ts';
import { tlsLines } from '../../agent/broker/tls/tls-lines.ts';
import { silentLog } from '../../agent/system/log.ts';
import { caPinOf } from '../../agent/transport/ca-pin.ts';
import { connectRemedies } from '../../agent/transport/failure.ts';
import type { TlsFiles } from '../../agent/transport/tls.ts';
import { makeCertificate, makeAuthority as makeNamesake } from '../support/certificates.ts';
import { connectTo, stateOf } from '../support/connections.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { type ProxyOptions, type RecordingProxy, startProxy } from '../support/recording-proxy.ts';

const token = 'a-token-that-nobody-may-see';
const root = await mkdtemp(join(tmpdir(), 'muster-pins-'));
const certificateOf = async (names: string[], now = new Date()) =>
  loadServerCertificate(await mkdtemp(join(root, 'r-')), names, { now: () => now, log: silentLog });
const config = (certificate: { certFile: string; keyFile: string }) =>
  [`authorization { token: "${token}" }`, ...tlsLines(certificate)].join('\n');

const ours = await certificateOf(['127.0.0.1']);
const { pin = '', ca = '' } = ours;
const server = await startNatsServer({ jetstream: false, config: config(ours) });
const plain = await startNatsServer({ jetstream: false, config: `authorization { token: "${token}" }` });
const proxies: RecordingProxy[] = [];
after(async () => {
  await Promise.all(proxies.map(proxy => proxy.close()));
  await Promise.all([server.release(), plain.release()]);
  await rm(root, { recursive: true });
});

const past = new Date('2020-01-01T00:00:00Z');
const future = new Date('2040-01-01T00:00:00Z');

/** Returns a proxy that ends TLS with a certificate of this CA, and shows `chain` after it. */
function impostor(caKey: KeyObject, chain: string[], end: Date): ProxyOptions {
  const key = makePrivateKey();
  const cert = makeServerCertificate(caKey, key, ['127.0.0.1'], end) + chain.join('');
  return { to: plain.port, tls: { cert, key: key.export({ format: 'pem', type: 'pkcs8' }) } };
}

const proxyTo = async (options: ProxyOptions) => {
  const proxy = await startProxy(options);
  proxies.push(proxy);
  return proxy;
};
const clientOf = (port: number, tls: TlsFiles, host = '127.0.0.1') =>
  connectTo(`nats://${host}:${port}`, {
    tls: () => tls,
    credentials: () => ({ token }),
    connectTimeoutMs: 5_000,
  });

/** Connects through the proxy, and returns why that failed. The proxy must have seen nothing of the login. */
async function refusal(proxy: RecordingProxy, tls: TlsFiles = { pins: [pin] }, host?: string) {
  const connection = clientOf(proxy.port, tls, host);
  const { fault, reason } = await stateOf(connection, 'disconnected');
  await connection.close();
  assert.doesNotMatch(proxy.seen(), /CONNECT|a-token/);
  assert.equal(fault, 'tls', reason);
  return reason;
}

test('a client that knows only the pin takes the CA from the broker, keeps it, and sends nothing in the clear', async () => {
  const proxy = await proxyTo({ to: server.port });
  const kept: string[] = [];
  await clientOf(proxy.port, { pins: [pin], onCa: found => kept.push(found) }).connected();
  assert.deepEqual(
    kept.map(found => new X509Certificate(found).raw),
    [new X509Certificate(ca).raw],
  );
  assert.doesNotMatch(proxy.seen(), /CONNECT|a-token/);
  // With the kept CA one handshake is enough, and the pin is not needed.
  await clientOf(proxy.port, { pins: [pin], cas: kept, onCa: () => assert.fail('asked again') }).connected();
  await clientOf(proxy.port, { cas: kept, handshakeFirst: true }).connected();
});

test('a CA that was made again for the same key replaces the one that was kept', async () => {
  const caKey = makePrivateKey();
  const expired = makeAuthority(caKey, past);
  const renewed = makeAuthority(caKey);
  const proxy = await proxyTo(impostor(caKey, [renewed], future));
  const kept: string[] = [];
  const tls = {
    pins: [caPinOf(new X509Certificate(renewed))],
    cas: [expired],
    onCa: (ca: string) => kept.push(ca),
  };
  await clientOf(proxy.port, tls).connected();
  assert.deepEqual(kept, [renewed]);
});

test('strip TLS: a broker or somebody in between that answers without TLS is refused', async () => {
  for (const proxy of [
    await proxyTo({ to: plain.port }),
    await proxyTo({ to: server.port, alter: () => 'INFO {"version":"2.12.0","max_payload":1}\r\n' }),
  ])
    assert.match(
      await refusal(proxy),
      /answers without TLS, and the broker of this cluster uses it\. Nothing was sent\./,
    );
});

test('alter the greeting: a greeting that comes before TLS is not read at all', async () => {
  // Without a pin the client waits for the greeting, and whoever is in between may say that the broker has no TLS.
  const alter = (text: string) => text.replace(/"tls_(required|available)":true/g, '"tls_$1":false');
  const first = await proxyTo({ to: server.port, alter });
  const trusting = clientOf(first.port, {});
  await stateOf(trusting, 'disconnected');
  await trusting.close();
  assert.match(first.seen(), /a-token/, 'the attack works on a client without a pin');
  const second = await proxyTo({ to: server.port, alter });
  await clientOf(second.port, { pins: [pin] }).connected();
  assert.doesNotMatch(second.seen(), /CONNECT|a-token/);
});

test('another CA is refused, and both pins are named', async () => {
  const other = await certificateOf(['127.0.0.1']);
  const proxy = await proxyTo({ to: server.port, tls: { cert: other.chain, key: other.key } });
  for (const tls of [{ pins: [pin] }, { pins: [pin], cas: [ca] }]) {
    const reason = await refusal(proxy, tls);
    assert.ok(reason.includes(`its pin is ${other.pin}, and ${pin} is known. Nothing was sent.`), reason);
    assert.match(reason, /or the CA of the cluster was replaced while this node was away/);
  }
});

test('what there is to do about another CA names the command for a node that missed its replacement', () => {
  assert.match(connectRemedies.tls, /muster agent trust PIN/);
});

test('somebody who shows our CA beside a certificate of another one is refused', async () => {
  const stranger = makePrivateKey();
  const first = await proxyTo(impostor(stranger, [ca], future));
  assert.match(
    await refusal(first),
    /shows no CA that signed its certificate, and .* is known\. Nothing was sent\./,
  );
  const second = await proxyTo(impostor(stranger, [makeAuthority(stranger), ca], future));
  assert.match(await refusal(second), /has another CA than this node knows/);
  // This CA has the name of ours, so its certificate names ours as the one that signed it.
  const { subject } = new X509Certificate(ca);
  const namesake = await makeNamesake(root, 'namesake', `/${subject}`);
  const leaf = await makeCertificate(root, namesake, 'leaf', 'IP:127.0.0.1\nauthorityKeyIdentifier=none');
  const cert = (await readFile(leaf.certFile, 'utf8')) + ca;
  const third = await proxyTo({ to: plain.port, tls: { cert, key: await readFile(leaf.keyFile) } });
  assert.match(await refusal(third), /did not sign its certificate/);
});

test('a wrong name is refused with the names of the certificate', async () => {
  const proxy = await proxyTo({ to: server.port });
  const reason = await refusal(proxy, { pins: [pin] }, 'localhost');
  assert.match(reason, /is for 127\.0\.0\.1 and not for localhost: add the address to broker\.advertise/);
  await clientOf(proxy.port, { pins: [pin], serverName: '127.0.0.1' }, 'localhost').connected();
});

test('an expired certificate is refused with both times, because a clock may be wrong', async () => {
  const caKey = makePrivateKey();
  const authority = makeAuthority(caKey);
  const proxy = await proxyTo(impostor(caKey, [authority], past));
  const now = /, and the clock of this machine says 20\d\d-\d\d-\d\dT[\d:]+Z; one of the two is wrong$/;
  for (const cas of [[], [authority]]) {
    const reason = await refusal(proxy, { pins: [caPinOf(new X509Certificate(authority))], cas });
    assert.match(
      reason,
      /certificate of the broker at .* has expired: it was valid until 2020-01-01T00:00:00Z/,
    );
    assert.match(reason, now);
  }
  const old = makeAuthority(caKey, past);
  const other = await proxyTo(impostor(caKey, [old], future));
  assert.match(
    await refusal(other, { pins: [caPinOf(new X509Certificate(old))] }),
    /^the CA of the broker at .* has expired: it was valid until 2020-01-01T00:00:00Z/,
  );
});

test('a public CA of the system is not trusted by a client with a pin', async () => {
  const reason = await refusal(await proxyTo({ to: server.port }), { pins: ['A'.repeat(43)] });
  assert.ok(reason.includes(`its pin is ${pin}, and ${'A'.repeat(43)} is known`), reason);
});

test('a client that is slow to begin TLS, as one far away, still gets TLS first', async () => {
  const proxy = await proxyTo({ to: server.port, delayMs: 150 });
  await clientOf(proxy.port, { pins: [pin] }).connected();
});

test('a client that waits for the greeting gets one, which asks for TLS', async () => {
  await clientOf(server.port, { cas: [ca] }).connected();
});
