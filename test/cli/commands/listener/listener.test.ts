// Runs `muster listener` as an operator does: the real program asks a real API, which keeps listeners without a store.
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createdListenerSchema } from '../../../../agent/protocol/http-listeners.ts';
import { validate } from '../../../../agent/protocol/schema.ts';
import { call, cluster, serve } from '../../../requester/api/api-fixture.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { muster, temporaryFolder } from '../../program.ts';

const operator = `${userInfo().username}@${hostname()}`;
const durable = `listener-billing-${'05'.repeat(12)}`;
const token = `mls_billing_${Buffer.alloc(32, 3).toString('base64url')}`;

async function begin(t: TestContext) {
  const directory = cluster();
  const api = await serve(t, directory);
  const run = (...args: string[]) =>
    muster(t, ['listener', ...args], {
      env: { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester },
    });
  return { directory, api, run };
}

test('a new listener is printed with all that a program needs, for people and for programs', async t => {
  const { directory, run } = await begin(t);
  directory.brokerAddresses = {
    servers: ['tls://head:4222', 'tls://10.0.0.1:4222'],
    pins: [],
    ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    localOnly: false,
  };
  const { code, stdout, stderr } = await run('create', 'billing', '--from-oldest', '--expires', '30d');
  assert.equal(code, 0, stderr);
  assert.equal(
    stdout,
    [
      'Servers       tls://head:4222 tls://10.0.0.1:4222',
      `Token         ${token}`,
      'Stream        NODE_EVENTS',
      `Durable       ${durable}`,
      `Inbox prefix  _INBOX.${durable}`,
      'Expires       2026-01-02T12:00:00.000Z',
      'CA',
      '-----BEGIN CERTIFICATE-----',
      'AAAA',
      '-----END CERTIFICATE-----',
      '',
    ].join('\n'),
  );
  assert.match(stderr, /^The token is shown only now/);
  assert.ok(!stderr.includes(token));
  directory.brokerAddresses = { servers: ['nats://127.0.0.1:4222'], pins: [], localOnly: true };
  const path = join(await temporaryFolder(t), 'audit.json');
  const saved = await run('create', 'audit', '-o', 'json', '--save', path);
  assert.deepEqual([saved.code, saved.stdout], [0, ''], saved.stderr);
  assert.match(saved.stderr, /in that file only\..*\nIt works on this machine only/);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const created = validate(createdListenerSchema, JSON.parse(await readFile(path, 'utf8')));
  assert.deepEqual([created.Name, created.Servers, created.CA], ['audit', ['nats://127.0.0.1:4222'], '']);
  assert.deepEqual(directory.keptListeners.acts, [
    `tester (${operator}) made billing from the oldest event for ${30 * 24 * 3_600_000}`,
    `tester (${operator}) made audit from now for ever`,
  ]);
});

test('one that may speak with approved nodes is told while nothing is opened for them', async t => {
  const { directory, run } = await begin(t);
  const closed = await run('create', 'early', '--work');
  assert.equal(closed.code, 0, closed.stderr);
  assert.match(
    closed.stderr,
    /\nNothing is opened for approved nodes yet, .*\nSet broker\.approved\.publish and broker\.approved\.subscribe /,
  );
  assert.doesNotMatch((await run('create', 'billing')).stderr, /approved nodes/);
  directory.keptListeners.isWorkOpen = true;
  assert.doesNotMatch((await run('create', 'scheduler', '--work')).stderr, /approved nodes/);
});

test('the list shows no token, and a revoked listener is gone', async t => {
  const { directory, run } = await begin(t);
  assert.match(
    (await run('list')).stdout,
    /^There is no listener\. Make one by: muster listener create NAME\n$/,
  );
  await run('create', 'billing');
  const { stdout } = await run('list');
  assert.match(
    stdout,
    /^NAME +UNREAD +WORK +EXPIRES +CREATED BY +CREATED\nbilling +7 +no +never +tester +2026-01-01T12:00:00.000Z\n$/,
  );
  assert.deepEqual(JSON.parse((await run('list', '-o', 'json')).stdout), [
    {
      Name: 'billing',
      Durable: durable,
      Work: false,
      Unread: 7,
      CreatedBy: 'tester',
      At: '2026-01-01T12:00:00.000Z',
    },
  ]);
  assert.equal((await run('revoke', 'billing')).stdout, 'Ok\n');
  assert.equal(directory.keptListeners.acts.at(-1), `tester (${operator}) revoked billing`);
  const again = await run('revoke', 'billing');
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.match(again.stderr, /there is no listener billing/);
});

test('a wrong name, a name that is taken, and shared mode are said in words', async t => {
  const { directory, run } = await begin(t);
  const wrong = await run('create', 'a.b');
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /"a\.b" is not the name of a listener\nHint: +a name has 1 to 64 letters/);
  await run('create', 'billing');
  const taken = await run('create', 'billing');
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /there is a listener billing already/);
  directory.brokerAddresses = undefined;
  const shared = await run('create', 'audit');
  assert.equal(shared.code, 1);
  assert.match(
    shared.stderr,
    /does not ask this requester whom to let in, so it can make no listener there\nHint: +/,
  );
});

test('every call of the API about listeners needs a token, and a change one that may change', async t => {
  const { api, directory } = await begin(t);
  const path = '/api/v1/orchestrator/listeners';
  const body = JSON.stringify({ Name: 'billing' });
  assert.equal((await call(api, path)).status, 401);
  assert.equal((await call(api, path, { token: tokens.reader })).status, 200);
  for (const [method, where] of [
    ['POST', path],
    ['DELETE', `${path}/billing`],
  ] as const) {
    assert.equal((await call(api, where, { method, body, token: '' })).status, 401);
    assert.equal((await call(api, where, { method, body, token: tokens.reader })).status, 403);
    assert.equal((await call(api, where, { method, body, token: tokens.former })).status, 401);
  }
  assert.deepEqual(directory.keptListeners.acts, []);
  const bad = [
    '',
    '[]',
    '{}',
    '{"Name":""}',
    '{"Name":"a.b"}',
    '{"Name":"a","FromOldest":1}',
    '{"Name":"a","ExpiresInSeconds":-1}',
    '{"Name":"a","Actor":"\\u001b[2J"}',
    `{"Name":"${'a'.repeat(65)}"}`,
  ];
  for (const text of bad)
    assert.equal((await call(api, path, { method: 'POST', body: text })).status, 400, text);
  const large = JSON.stringify({ Name: 'a', Actor: 'x'.repeat(5_000) });
  assert.equal((await call(api, path, { method: 'POST', body: large })).status, 413);
  for (const name of ['a.b', '%1b', '*', 'x'.repeat(65)])
    assert.equal((await call(api, `${path}/${name}`, { method: 'DELETE' })).status, 404, name);
  assert.deepEqual(directory.keptListeners.acts, []);
});
