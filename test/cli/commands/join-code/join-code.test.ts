// Runs `muster join-code` as an operator does: the real program asks a real API, which keeps codes in a fake store.
import assert from 'node:assert/strict';
import { open, readFile, stat } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readJoinCode } from '../../../../agent/protocol/join-code.ts';
import { call, cluster, serve } from '../../../requester/api/api-fixture.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { muster, type ProgramOptions, temporaryFolder } from '../../program.ts';

const operator = `${userInfo().username}@${hostname()}`;

async function begin(t: TestContext) {
  // The commands say how long a code is valid by the clock of their machine.
  const directory = cluster(new Date().toISOString());
  const api = await serve(t, directory);
  const runWith = (options: ProgramOptions, ...args: string[]) =>
    muster(t, ['join-code', ...args], {
      env: { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester },
      ...options,
    });
  const run = (...args: string[]) => runWith({}, ...args);
  return { directory, api, run, runWith };
}

test('a new code alone is on standard output, and what it does is on standard error', async t => {
  const { directory, run } = await begin(t);
  const { code, stdout, stderr } = await run('create');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^muster1\.[A-Za-z0-9_-]+\n$/);
  const reading = readJoinCode(stdout);
  assert.ok(reading.kind === 'valid');
  assert.deepEqual(reading.code.servers, ['tls://head:4222']);
  assert.equal(reading.code.cluster, 'c-1');
  assert.match(
    stderr,
    /^This is join code [a-z2-7]{10}\. It lets in one new node\.\nIt is valid until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(for 60 min\)\.\nThe node is shown as PENDING until you approve it\.\n/,
  );
  assert.match(stderr, /\n {2}muster agent join\nTo end it early: muster join-code revoke [a-z2-7]{10}\n$/);
  assert.ok(
    stderr.split('\n').every(text => text.length <= 80),
    'each line fits into 80 columns',
  );
  assert.ok(!stderr.includes(stdout.trim()) && !stderr.includes(reading.code.token));
  const [created] = directory.announcedCodes;
  assert.deepEqual(
    [created?.kind, created?.actor, created?.claimedActor, created?.uses],
    ['join_code_created', 'tester', operator, 1],
  );
});

test('a code does what its flags say, and says so', async t => {
  const { directory, run } = await begin(t);
  const flags = [
    '--uses',
    '40',
    '--expires',
    '8h',
    '--approve',
    '--labels',
    'rack=b7,disk=ssd',
    '--labels',
    'x=y',
  ];
  const { stderr } = await run('create', ...flags, '--network', '10.0.0.0/8');
  assert.match(
    stderr,
    /lets in 40 new nodes\.\nIt is valid until .* \(for 8 h\)\.\nThe nodes are approved at once\.\n/,
  );
  assert.match(stderr, /\nLabels: rack=b7, disk=ssd, x=y\n/);
  assert.match(
    stderr,
    /\nIt works only from 10\.0\.0\.0\/8\.\n.*\n.*means nothing behind NAT or a proxy\.\n/,
  );
  const [code] = directory.joinCodes.list();
  assert.deepEqual(
    [code?.Uses, code?.Approve, code?.Labels, code?.Network],
    [40, true, { rack: 'b7', disk: 'ssd', x: 'y' }, '10.0.0.0/8'],
  );
  const json = JSON.parse((await run('create', '--approve', '-o', 'json')).stdout);
  assert.equal(json.JoinCode.Approve, true);
  assert.equal(readJoinCode(json.Code).kind, 'valid');
});

test('a code goes into a new file that only its owner can read, and a file that others can read is warned of', async t => {
  const { directory, run, runWith } = await begin(t);
  const folder = await temporaryFolder(t);
  const path = join(folder, 'code');
  const saved = await run('create', '--save', path);
  assert.deepEqual([saved.code, saved.stdout], [0, ''], saved.stderr);
  assert.equal(readJoinCode(await readFile(path, 'utf8')).kind, 'valid');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const again = await run('create', '--save', path);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /code exists already, and is not overwritten/);
  assert.equal(directory.joinCodes.list().length, 1, 'no code is made that nobody gets');

  for (const [mode, warning] of [
    [0o644, /^Warning: standard output is a file of mode 644: .*\nHint: .*chmod 600.*--save FILE/m],
    [0o600, undefined],
  ] as const) {
    const file = await open(join(folder, `${mode}`), 'w', mode);
    await file.chmod(mode);
    const { code, stderr } = await runWith({ stdout: file.fd }, 'create');
    await file.close();
    assert.equal(code, 0);
    if (warning) assert.match(stderr, warning);
    else assert.doesNotMatch(stderr, /Warning/);
  }
});

test('the time of a code may be in days, as that of a token', async t => {
  const { run } = await begin(t);
  assert.match((await run('create', '--expires', '30d')).stderr, /\(for 30 days\)/);
  const { stderr } = await run('create', '--expires', '31d');
  assert.match(
    stderr,
    /^Error: --expires: "31d" is not a time from 1m to 30d; allowed: like 30d, 12h, 1h30m\n/,
  );
});

test('a code of a broker that listens on its own machine only says that it works nowhere else', async t => {
  const { directory, run } = await begin(t);
  directory.brokerAddresses = { servers: ['nats://127.0.0.1:4222'], pins: [], localOnly: true };
  const { code, stderr } = await run('create');
  assert.equal(code, 0);
  assert.match(
    stderr,
    /\nIt works on this machine only: the broker listens on nats:\/\/127\.0\.0\.1:4222\.\n.*set broker\.host/,
  );
});

test('a cluster in shared mode has no codes, and says how nodes join', async t => {
  const { directory, run } = await begin(t);
  directory.brokerAddresses = undefined;
  const { code, stderr } = await run('create');
  assert.equal(code, 1);
  assert.match(stderr, /^Error: +nodes of this cluster need no join code: .*nats\.servers.*\nHint: /);
  assert.deepEqual(directory.joinCodes.list(), []);
});

test('an operator lists the codes, and revokes one', async t => {
  const { directory, run } = await begin(t);
  assert.match((await run('list')).stdout, /^There is no join code\. /);
  await run('create', '--uses', '2', '--labels', 'a=b', '--approve');
  const [made] = directory.joinCodes.list();
  const id = made?.ID ?? '';
  directory.usedCodes.push(id);
  const listed = await run('list');
  assert.deepEqual([listed.code, listed.stderr], [0, '']);
  assert.match(
    listed.stdout,
    new RegExp(
      `^ID +STATE +USED +ENDS +APPROVAL +NETWORK +LABELS +BY\\n${id} +valid +1/2 +in \\d+ min +approve +a=b +\\S+\\n$`,
    ),
  );
  assert.deepEqual(await run('revoke', id), {
    code: 0,
    stdout: 'Ok\n',
    stderr: 'The node that came in with it stays on the roll: muster node list\n',
  });
  assert.equal(JSON.parse((await run('list', '-o', 'json')).stdout)[0].RevokedBy, 'tester');
  assert.match((await run('list', '-o', 'yaml')).stdout, /State: revoked/);
  const again = await run('revoke', id);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /is revoked already: it lets nobody in\nHint: /);
  for (const unknown of ['aaaaaaaaaa', '../nodes/node-1']) {
    const { code, stderr } = await run('revoke', unknown);
    assert.deepEqual([code, /there is no join code/.test(stderr)], [1, true], stderr);
  }
});

test('flags that no code can have are refused before anything is made', async t => {
  const { directory, run } = await begin(t);
  const bad = [
    ['--uses', '0'],
    ['--expires', '59s'],
    ['--expires', '31d'],
    ['--network', '10.0.0.1'],
  ];
  for (const flags of bad) assert.equal((await run('create', ...flags)).code, 64, flags.join(' '));
  assert.deepEqual(directory.joinCodes.list(), []);
});

test('the API checks an order as strictly as the command does', async t => {
  const { directory, api } = await begin(t);
  const post = (body: unknown, more = {}) =>
    call(api, '/api/v1/orchestrator/join-codes', {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...more,
    });
  const bad: [unknown, RegExp][] = [
    ['', /cannot read the request/],
    ['{', /cannot read the request/],
    [{ Uses: 0 }, /Uses: less than 1/],
    [{ Uses: 1e9 }, /Uses: more than/],
    [{ ExpiresInSeconds: 1 }, /ExpiresInSeconds: less than a minute/],
    [{ ExpiresInSeconds: 1e9 }, /more than 30 days/],
    [{ Network: '10.0.0.0/99' }, /Network is not a network/],
    [{ Labels: { 'a b': 'c' } }, /Labels: /],
    [{ Labels: { a: '\u0000' } }, /Labels: /],
    [{ Labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) }, /Labels: /],
    [{ Actor: '\u001b[31m' }, /Actor: /],
  ];
  for (const [body, reason] of bad) {
    const answer = await post(body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.match(String(answer.json().Message), reason);
  }
  assert.equal((await post(`{"Network":"${'1'.repeat(70_000)}"}`)).status, 413);
  assert.equal((await post({}, { headers: { Host: 'evil.example' } })).status, 403);
  assert.deepEqual(directory.joinCodes.list(), []);
  const made = await post({});
  assert.equal(made.status, 200);
  assert.deepEqual(Object.keys(made.json()), ['JoinCode', 'Code', 'Servers', 'LocalOnly']);
  const list = await call(api, '/api/v1/orchestrator/join-codes');
  assert.ok(!list.text.includes('muster1.') && !list.text.includes('hash'));
  const put = (id: string, body: unknown) =>
    call(api, `/api/v1/orchestrator/join-codes/${id}`, { method: 'PUT', body: JSON.stringify(body) });
  const id = directory.joinCodes.list()[0]?.ID ?? '';
  assert.equal((await put(id, { Action: 'delete' })).status, 400);
  assert.equal((await put('AAAAAAAAAA', { Action: 'revoke' })).status, 404);
  assert.equal((await put(id, { Action: 'revoke' })).status, 200);
  assert.equal((await put(id, { Action: 'revoke' })).status, 409);
  directory.failure = new Error('not ready');
  assert.equal((await call(api, '/api/v1/orchestrator/join-codes')).status, 500);
});
