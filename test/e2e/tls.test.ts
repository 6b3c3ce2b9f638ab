// Runs a requester whose broker other machines may reach: it uses TLS without any setting for it, and agents know a join code.
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect } from 'nats';
import { parse } from 'yaml';
import { capture } from '../support/captures.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { Cluster } from '../support/cluster.ts';
import { makeListener } from '../support/make-listener.ts';
import { muster } from '../support/program.ts';
import { type ProxyOptions, type RecordingProxy, startProxy } from '../support/recording-proxy.ts';

const cluster = await Cluster.create({
  settings: { 'broker.host': '0.0.0.0', 'requester.unverifiedNodes': true },
});
const proxies: RecordingProxy[] = [];
after(async () => {
  await Promise.all(proxies.map(proxy => proxy.close()));
  await cluster.release();
});

const state = cluster.folderOf('node-0');
const keyFiles = ['ca.key', 'server.key'].map(name => join(state, 'requester', name));
let requester = await cluster.requester();

async function proxyTo(options: Omit<ProxyOptions, 'to'>): Promise<RecordingProxy> {
  const proxy = await startProxy({ to: cluster.brokerPort, ...options });
  proxies.push(proxy);
  return proxy;
}
const addressOf = ({ port }: RecordingProxy) => ({ 'nats.servers': `nats://127.0.0.1:${port}` });

/** Asserts that a proxy saw neither the login of a node nor its code. */
async function assertNothingTold({ seen }: RecordingProxy): Promise<void> {
  const { code } = JSON.parse(
    await readFile(join(cluster.folderOf('node-2'), 'agent', 'cluster.json'), 'utf8'),
  );
  assert.match(code, /^join-/);
  assert.doesNotMatch(seen(), /CONNECT|node-\d/);
  assert.ok(!seen().includes(code));
}

test('an agent that knows only a join code comes in by TLS, and whoever is in between reads nothing', async () => {
  const proxy = await proxyTo({});
  await cluster.agent('node-1', addressOf(proxy));
  await cluster.decide('node-1', 'approve');
  await cluster.until('node-1', 'APPROVED HEALTHY');
  assert.doesNotMatch(proxy.seen(), /CONNECT|join-|node-1/);
  const kept = JSON.parse(await readFile(join(cluster.folderOf('node-1'), 'agent', 'cluster.json'), 'utf8'));
  assert.deepEqual(kept.cas, [await readFile(join(state, 'requester', 'ca.pem'), 'utf8')]);
  for (const file of keyFiles) assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test('an agent tells nothing to somebody with another CA, or who strips TLS, and its status says why', async () => {
  const folder = cluster.folder;
  const stranger = await makeCertificate(
    folder,
    await makeAuthority(folder, 'stranger'),
    'other',
    'IP:127.0.0.1',
  );
  const [cert, key] = await Promise.all([readFile(stranger.certFile), readFile(stranger.keyFile)]);
  const cases: [ProxyOptions['alter'], ProxyOptions['tls'], RegExp][] = [
    [
      undefined,
      { cert, key },
      /shows no CA that signed its certificate, and .* is known\. Nothing was sent\./,
    ],
    [() => 'INFO {"version":"2.12.0","max_payload":1}\r\n', undefined, /answers without TLS/],
  ];
  for (const [alter, tls, reason] of cases) {
    const proxy = await proxyTo({ alter, tls });
    const agent = await cluster.agent('node-2', addressOf(proxy), { wait: false });
    await agent.untilPrinted(reason);
    const status = await muster(['status', '-o', 'json', '--data-dir', cluster.folderOf('node-2')]);
    assert.equal(status.code, 1);
    assert.match(status.stdout, reason);
    await agent.stop();
    await assertNothingTold(proxy);
  }
  assert.equal(await cluster.node('node-2'), undefined);
});

test("a listener's program reads by TLS with what the command printed, and trusts no other broker", async () => {
  const { Servers, Token, CA, Durable } = await makeListener(cluster, 'billing', '--from-oldest');
  assert.ok(
    Servers.every(server => server.startsWith('tls://')),
    Servers.join(),
  );
  assert.equal(CA, await readFile(join(state, 'requester', 'ca.pem'), 'utf8'));
  const login = { servers: Servers, token: Token, inboxPrefix: `_INBOX.${Durable}` };
  const broker = await connect({ ...login, tls: { ca: CA } });
  const events: { type: string }[] = [];
  for await (const message of broker
    .jetstream()
    .fetch('NODE_EVENTS', Durable, { batch: 1, expires: 10_000 })) {
    events.push(message.json());
    message.ack();
  }
  await broker.drain();
  assert.match(events[0]?.type ?? '', /^org\.muster\.node\.registered$/);
  const authority = await makeAuthority(cluster.folder, 'not-ours');
  const ca = await readFile(authority.certFile, 'utf8');
  await assert.rejects(connect({ ...login, tls: { ca }, maxReconnectAttempts: 0 }));
});

test('a node of Bacalhau comes in by TLS with what "muster broker bacalhau" prints', async () => {
  const printed = await cluster.command('broker', 'bacalhau');
  const { Orchestrators, Auth, TLS } = parse(printed.stdout).Compute;
  assert.equal(TLS.CACert, '/etc/bacalhau/muster-ca.pem', printed.stderr);
  const { stdout: ca } = await cluster.command('broker', 'bacalhau', '-o', 'ca');
  assert.equal(ca, await readFile(join(state, 'requester', 'ca.pem'), 'utf8'));
  // Its client reads the greeting before it begins TLS, as this one does.
  const client = await connect({ servers: Orchestrators, token: Auth.Token, tls: { ca }, name: 'n-tls' });
  const { subject, bytes } = capture('bprotocol/RegisterNode/v1');
  const answer = await client.request(subject, bytes, { timeout: 30_000 });
  assert.equal(answer.string(), '{"value":{"Accepted":true,"Reason":"node registered"}}');
  await client.close();
  assert.ok(requester.logged('an operator was shown the token of nodes without a key').length > 0);
});

test('the doctor shows the certificate and its end, and that the broker uses TLS', async () => {
  const config = join(cluster.folder, 'node-0-requester.yaml');
  const { stdout } = await muster(['doctor', '--role', 'requester', '--config', config]);
  assert.match(
    stdout,
    /^ok +certificate +.*server\.pem is valid until 20\d\d-\d\d-\d\d, CA with the pin [\w-]{43}$/m,
  );
  assert.match(stdout, /^ok +broker +tls:\/\/127\.0\.0\.1:\d+: .* encrypted/m);
  const agents = await muster([
    'doctor',
    '--role',
    'agent',
    '--config',
    join(cluster.folder, 'node-1-agent.yaml'),
  ]);
  assert.match(agents.stdout, /^ok +broker +nats:\/\/127\.0\.0\.1:\d+: .* encrypted/m);
  assert.match(agents.stdout, /^ok +requester +it answers, and lets this node in$/m);
});

test('after other names and a restart the CA is the same, and the agent comes back by itself', async () => {
  const ca = await readFile(join(state, 'requester', 'ca.pem'), 'utf8');
  await requester.stop();
  requester = await cluster.requester({ 'broker.advertise': 'broker.example,127.0.0.1' });
  await cluster.until('node-1', 'APPROVED HEALTHY');
  assert.equal(await readFile(join(state, 'requester', 'ca.pem'), 'utf8'), ca);
  const printed = requester.stderr;
  for (const file of keyFiles) {
    const [, line = ''] = (await readFile(file, 'utf8')).split('\n');
    assert.ok(!printed.includes(line), `${file} is not in the log`);
  }
});

test('a requester does not start with a certificate of its own for other names', async () => {
  await requester.stop();
  const { folder } = cluster;
  const authority = await makeAuthority(folder, 'authority');
  const own = await makeCertificate(folder, authority, 'own', 'DNS:broker.example');
  const settings = { 'broker.tls.certFile': own.certFile, 'broker.tls.keyFile': own.keyFile };
  const refused = await cluster.requester(
    { ...settings, 'broker.advertise': 'other.example' },
    { wait: false },
  );
  assert.equal((await refused.finished).code, 78);
  assert.match(
    refused.stderr,
    /is not for other\.example, which broker\.advertise names; it is for broker\.example/,
  );
  requester = await cluster.requester({ ...settings, 'broker.tls.caFile': authority.certFile });
  const code = await cluster.command('join-code', 'create');
  assert.equal(code.code, 0, code.stderr);
});
