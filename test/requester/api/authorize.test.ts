// Tests over real HTTP that every change needs an operator's token, whatever a request says of itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loginMethod } from '../../../agent/protocol/http-operators.ts';
import { operatorToken } from '../../../agent/protocol/operator-token.ts';
import { EventStreams } from '../../../agent/requester/api/event-streams.ts';
import { RollStreams } from '../../../agent/requester/api/roll-streams.ts';
import { apiRoutes } from '../../../agent/requester/api/routes.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { expiredAt, tokens } from '../../support/fake-operators.ts';
import { type LogLine, recordLog } from '../../support/log-lines.ts';
import { call, cluster, put, serve } from './api-fixture.ts';

const nodes = '/api/v1/orchestrator/nodes';
const operators = '/api/v1/orchestrator/operators';

test('every change without a token is refused before its body is read, and says where the token is', async t => {
  const directory = cluster();
  directory.tokenFile = '/data/requester/operator.token';
  const api = await serve(t, directory);
  const changes: [method: string, path: string][] = [
    ['PUT', `${nodes}/node-1`],
    ['PUT', '/api/v1/orchestrator/store/lost/node-1'],
    ['POST', '/api/v1/orchestrator/join-codes'],
    ['PUT', '/api/v1/orchestrator/join-codes/aaaaaaaaaa'],
    ['POST', operators],
    ['DELETE', `${operators}/tester`],
    ['PATCH', `${nodes}/node-1`],
    ['POST', '/api/v1/no/such/route'],
  ];
  for (const [method, path] of changes) {
    // A body that is too large and torn would be refused for that if it were read.
    const answer = await call(api, path, {
      method,
      token: '',
      body: `{"Action":"approve",${'x'.repeat(100_000)}`,
    });
    const { Status, Code, Component, Message, Hint } = answer.json();
    assert.deepEqual(
      [answer.status, Status, Code, Component, Message],
      [401, 401, 'Unauthorized', 'APIServer', "this change needs an operator's token"],
      `${method} ${path}`,
    );
    assert.match(String(Hint), /the one of this machine is in \/data\/requester\/operator\.token/);
    assert.equal(answer.headers['www-authenticate'], 'Bearer');
  }
  assert.equal(directory.get('node-1').Membership, 'PENDING');
  assert.deepEqual(directory.operators.acts, []);
});

test('the actor of a decision is the operator of the token, and what the body says stands beside it', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const body = { Action: 'approve', Actor: 'root', actor: 'boss' };
  assert.equal((await put(api, 'node-1', { ...body, ClaimedActor: 'x' })).status, 400);
  assert.equal((await put(api, 'node-1', body)).status, 200);
  const { Actor, ClaimedActor } = directory.get('node-1').Muster.Decision ?? {};
  assert.deepEqual([Actor, ClaimedActor], ['tester', 'root']);
});

test('a token that only reads changes nothing, and one that has expired opens nothing', async t => {
  const directory = cluster();
  const api = await serve(t, directory, { openReads: false });
  const reads = await call(api, nodes, { token: tokens.reader });
  assert.equal(reads.status, 200);
  const changes = await put(api, 'node-1', { Action: 'approve' }, { token: tokens.reader });
  assert.deepEqual(
    [changes.status, changes.json().Code, changes.json().Message],
    [403, 'Forbidden', 'operator reader may only read'],
  );
  for (const answer of [
    await call(api, nodes, { token: tokens.former }),
    await put(api, 'node-1', { Action: 'approve' }, { token: tokens.former }),
  ]) {
    assert.equal(answer.status, 401);
    assert.equal(answer.json().Message, `the token of operator former expired at ${expiredAt}`);
  }
  assert.equal(directory.get('node-1').Membership, 'PENDING');
});

test('a token that only reads is refused on every route that changes something, those to come included', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const before = JSON.stringify([
    directory.list(),
    directory.operators.list(),
    directory.joinCodes.list(),
    directory.bans(),
  ]);
  const { routes } = apiRoutes({
    directory,
    events: new EventStreams({ directory, log: silentLog }),
    rolls: new RollStreams({ directory, log: silentLog }),
    log: silentLog,
    isLocal: true,
    isOwnHost: () => true,
    openReads: true,
  });
  const isChange = ({ method, path }: { method: string; path: string }) =>
    !/^(GET|HEAD|ALL)$/.test(method) && !path.startsWith('/api/v1/auth/') && path !== '/api/v1/version';
  const changes = new Set(routes.filter(isChange).map(({ method, path }) => `${method} ${path}`));
  // Each route is there twice: with the handler that limits its body, and with its own.
  assert.ok(changes.size >= 8, [...changes].join());
  const actions = [
    'approve',
    'reject',
    'delete',
    'rekey',
    'cordon',
    'drain',
    'uncordon',
    'rebuild',
    'revoke',
    'unban',
    'confirm',
  ];
  for (const route of changes) {
    const [method = '', path = ''] = route.replaceAll(/:\w+/g, 'node-1').split(' ');
    for (const Action of actions) {
      const body = JSON.stringify({ Action, Name: 'eve', Exact: true, Fingerprint: 'BDWE-AMSB-5ZAN-P4NC' });
      const answer = await call(api, path, { method, token: tokens.reader, body });
      assert.deepEqual([answer.status, answer.json().Code], [403, 'Forbidden'], `${route} ${Action}`);
    }
  }
  assert.equal(
    JSON.stringify([
      directory.list(),
      directory.operators.list(),
      directory.joinCodes.list(),
      directory.bans(),
    ]),
    before,
  );
});

test('reads are open on the loopback, unless api.openReads is off; the names of operators never are', async t => {
  const directory = cluster();
  const open = await serve(t, directory);
  const closed = await serve(t, directory, { openReads: false });
  for (const path of [nodes, `${nodes}/node-1`, '/api/v1/agent/node', '/api/v1/orchestrator/status']) {
    assert.equal((await call(open, path)).status, 200, path);
    assert.equal((await call(open, path, { token: 'nonsense' })).status, 200, path);
    assert.equal((await call(closed, path)).status, 401, path);
    assert.equal((await call(closed, path, { token: tokens.reader })).status, 200, path);
  }
  assert.equal((await call(open, operators)).status, 401);
  assert.equal((await call(open, operators, { method: 'HEAD' })).status, 401);
  assert.equal((await call(open, operators, { token: tokens.reader })).status, 200);
});

test('a wrong token is answered as one of an operator who is not there, a thousand times, with one line in the log', async t => {
  const lines: LogLine[] = [];
  const { log, lines: kept } = recordLog();
  const directory = cluster();
  const api = await serve(t, directory, { log });
  const wrong = (name: string, index: number) => operatorToken(name, Buffer.alloc(32, index));
  const answers = new Set<string>();
  for (let index = 100; index < 1_100; index++) {
    const token = wrong(index % 2 === 0 ? 'tester' : 'nobody', index);
    const { status, text } = await put(api, 'node-1', { Action: 'approve' }, { token });
    answers.add(`${status} ${text}`);
    if (index % 250 === 0) {
      const right = await put(api, 'node-1', { Action: index % 500 === 0 ? 'approve' : 'reject' });
      assert.equal(right.status, 200, right.text);
    }
  }
  assert.equal(answers.size, 1, [...answers].join('\n'));
  assert.match([...answers][0] ?? '', /^401 .*this is no operator's token that the requester knows/);
  lines.push(...kept.filter(({ level }) => level === 'warn'));
  assert.equal(lines.length, 1);
  assert.doesNotMatch(JSON.stringify(lines), /mop_|tester|nobody/);
  for (const token of ['', 'x', tokens.tester.slice(0, -1), `${tokens.tester}x`, tokens.tester.toUpperCase()])
    assert.equal((await put(api, 'node-1', { Action: 'delete' }, { token })).status, 401, token);
});

test('a client of Bacalhau finds the way to log in, asks its user for the token, and decides with it', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const { Methods, NextToken } = (await call(api, '/api/v1/auth')).json() as Record<
    string,
    Record<string, unknown>
  >;
  assert.equal(NextToken, '');
  const [name, method] = Object.entries(Methods ?? {})[0] ?? [];
  assert.equal(name, loginMethod);
  assert.deepEqual(method, {
    type: 'ask',
    params: {
      type: 'object',
      properties: { Token: { type: 'string', writeOnly: true } },
      required: ['Token'],
    },
  });
  assert.deepEqual((await call(api, `/api/v1/auth/${name}`)).json(), method);
  const login = (Token: string) =>
    call(api, `/api/v1/auth/${name}`, {
      method: 'POST',
      token: '',
      body: JSON.stringify({
        Namespace: '',
        Credential: null,
        Name: name,
        MethodData: Buffer.from(JSON.stringify({ Token })).toString('base64'),
      }),
    });
  const good = await login(tokens.tester);
  assert.deepEqual(
    [good.status, good.json()],
    [200, { Authentication: { success: true, token: tokens.tester } }],
  );
  const bad = await login(operatorToken('tester', Buffer.alloc(32, 77)));
  assert.equal(bad.status, 401);
  assert.deepEqual(bad.json().Authentication, { success: false, reason: 'the requester does not know it' });
  const torn = await call(api, `/api/v1/auth/${name}`, {
    method: 'POST',
    token: '',
    body: '{"MethodData":"e30',
  });
  assert.equal(torn.status, 400);
  assert.equal((await call(api, '/api/v1/auth/ClientKey')).status, 404);
});

test('operators are made, listed and revoked, and the act names who did it', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const make = (body: object) =>
    call(api, operators, { method: 'POST', body: JSON.stringify({ Actor: 'ada@desk', ...body }) });
  const made = await make({ Name: 'grafana', ReadOnly: true, ExpiresInSeconds: 60 });
  assert.equal(made.status, 200, made.text);
  assert.match(String(made.json().Token), /^mop_grafana_/);
  assert.equal((await make({ Name: 'grafana' })).status, 409);
  for (const bad of [
    { Name: 'a b' },
    { Name: '' },
    { Name: 'x'.repeat(65) },
    { Name: 'x', ExpiresInSeconds: -1 },
  ])
    assert.equal((await make(bad)).status, 400, JSON.stringify(bad));
  const revoked = await call(api, `${operators}/grafana?actor=ada%40desk`, { method: 'DELETE' });
  assert.equal(revoked.text, '{"Success":true}\n');
  assert.equal((await call(api, `${operators}/grafana`, { method: 'DELETE' })).status, 404);
  assert.equal((await call(api, `${operators}/a%2Fb`, { method: 'DELETE' })).status, 404);
  assert.deepEqual(directory.operators.acts, [
    'tester (ada@desk) made grafana read-only 60000',
    'tester (ada@desk) revoked grafana',
  ]);
});
