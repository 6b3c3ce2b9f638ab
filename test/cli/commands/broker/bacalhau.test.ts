// Runs `muster broker bacalhau` as an operator does: the real program asks a real API.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { readBacalhau } from '../../../../agent/config/bacalhau/read-keys.ts';
import { cluster, serve } from '../../../requester/api/api-fixture.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { muster } from '../../program.ts';

const token = 'secret-of-bacalhau-nodes';
const ca = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

async function begin(t: TestContext) {
  const directory = cluster(new Date().toISOString());
  directory.unverifiedToken = token;
  const addresses = { servers: ['tls://head:4222', 'tls://10.0.0.1:4222'], pins: [], localOnly: false };
  directory.brokerAddresses = { ...addresses, ca };
  const api = await serve(t, directory);
  const run = (args: readonly string[] = [], key: string = tokens.tester) =>
    muster(t, ['broker', 'bacalhau', ...args], {
      env: { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: key },
    });
  return { directory, run, addresses };
}

/** Returns the keys that no schema of Bacalhau's configuration has. */
function unknownKeys(text: string): readonly unknown[] {
  const { unknown, faults } = readBacalhau(text, '/config.yaml');
  return [...unknown, ...faults];
}

const unverified =
  'A node that comes in with it has no key: it shows "unverified", and whoever has the token can speak for it.\n';

test('the configuration is what Bacalhau from 1.5 on reads, and the CA is a file of its own', async t => {
  const { run } = await begin(t);
  const { code, stdout, stderr } = await run(['--ca-file', '/srv/ca.pem']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(parse(stdout), {
    Compute: {
      Enabled: true,
      Orchestrators: ['nats://head:4222', 'nats://10.0.0.1:4222'],
      Auth: { Token: token },
      TLS: { CACert: '/srv/ca.pem' },
    },
  });
  assert.deepEqual(unknownKeys(stdout), []);
  assert.equal(
    stderr,
    `Save what "muster broker bacalhau -o ca" prints as /srv/ca.pem on the node.\n${unverified}`,
  );
  assert.deepEqual(await run(['-o', 'ca']), { code: 0, stdout: ca, stderr: '' });
  const all = JSON.parse((await run(['-o', 'json'])).stdout);
  assert.deepEqual(all, {
    Servers: ['tls://head:4222', 'tls://10.0.0.1:4222'],
    Token: token,
    CA: ca,
    LocalOnly: false,
  });
});

test('up to 1.4 other keys are read, and the CA comes from the environment', async t => {
  const { run } = await begin(t);
  const { stdout, stderr } = await run(['--release', '1.4']);
  assert.deepEqual(parse(stdout), {
    Node: {
      Type: ['compute'],
      Network: {
        Type: 'nats',
        Orchestrators: ['nats://head:4222', 'nats://10.0.0.1:4222'],
        AuthSecret: token,
      },
    },
  });
  assert.deepEqual(unknownKeys(stdout), []);
  assert.match(stderr, /start Bacalhau with SSL_CERT_FILE=\/etc\/bacalhau\/muster-ca\.pem\.\n/);
});

test('without TLS there is no CA, and a broker on the loopback is said to be one', async t => {
  const { run, directory } = await begin(t);
  directory.brokerAddresses = { servers: ['nats://127.0.0.1:4222'], pins: [], localOnly: true };
  const { stdout, stderr } = await run();
  assert.deepEqual(Object.keys(parse(stdout).Compute), ['Enabled', 'Orchestrators', 'Auth']);
  assert.match(stderr, /^It works on this machine only: the broker listens on nats:\/\/127\.0\.0\.1:4222\./);
  const none = await run(['-o', 'ca']);
  assert.deepEqual([none.code, none.stdout], [1, '']);
  assert.match(none.stderr, /^Error: there is no CA to print\n/);
});

test('with the certificate of a public CA, the address makes the node use TLS', async t => {
  const { run, directory, addresses } = await begin(t);
  directory.brokerAddresses = addresses;
  assert.deepEqual(parse((await run()).stdout).Compute.Orchestrators, addresses.servers);
});

test('nothing is printed when no such nodes are let in, or another NATS decides that', async t => {
  const { run, directory } = await begin(t);
  directory.unverifiedToken = undefined;
  const closed = await run();
  assert.deepEqual([closed.code, closed.stdout], [1, '']);
  assert.match(
    closed.stderr,
    /^Error: this requester lets in no nodes of Bacalhau\n.*requester\.unverifiedNodes: true/,
  );
  directory.unverifiedToken = token;
  directory.brokerAddresses = undefined;
  assert.match((await run()).stderr, /^Error: nodes of Bacalhau log in to the NATS that nats\.servers names/);
});

test('the token is shown to no operator who may only read', async t => {
  const { run } = await begin(t);
  const refused = await run([], tokens.reader);
  assert.deepEqual([refused.code, refused.stdout], [77, '']);
  assert.ok(!refused.stderr.includes(token));
});
