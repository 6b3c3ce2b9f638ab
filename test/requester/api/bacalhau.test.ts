// Tests over real HTTP what Bacalhau's clients find beside the nodes: who answers, the former routes, and that no jobs are run.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { test } from 'node:test';
import { loginMethod } from '../../../agent/protocol/http-operators.ts';
import { version } from '../../../agent/system/version.ts';
import { tokens } from '../../support/fake-operators.ts';
import { call, cluster, put, serve } from './api-fixture.ts';

const agent = '/api/v1/agent';
const jobs = '/api/v1/orchestrator/jobs';
const client = (GitVersion: string) => ({ 'X-Bacalhau-Git-Version': GitVersion });

test('every answer has an id of its request, and after the caller is known also says who answers', async t => {
  const api = await serve(t, cluster());
  for (const path of [`${agent}/alive`, '/api/v1/orchestrator/nodes/nobody', '/nothing']) {
    const named = await call(api, path, { headers: { 'X-Request-Id': 'mine-1' } });
    assert.equal(named.headers['x-request-id'], 'mine-1', path);
    if (named.status !== 200) assert.equal(named.json().RequestID, 'mine-1');
    const { headers } = await call(api, path);
    assert.match(String(headers['x-request-id']), /^[0-9a-f-]{36}$/);
    const ofBuild = ['git-version', 'git-commit', 'build-date', 'build-os', 'arch'];
    assert.deepEqual(
      ofBuild.map(name => headers[`x-bacalhau-${name}`]),
      [`muster-${version}`, '', '0001-01-01T00:00:00Z', 'linux', 'amd64'],
    );
  }
  const stranger = await put(api, 'node-1', { Action: 'approve' }, { token: '' });
  assert.equal(stranger.status, 401);
  assert.equal(stranger.headers['x-bacalhau-git-version'], undefined);
});

test('a client that is older than 1.4 is refused, and one whose version cannot be read; a build without one is served', async t => {
  const api = await serve(t, cluster());
  const ask = async (text: string) => (await call(api, `${agent}/alive`, { headers: client(text) })).status;
  for (const served of ['', 'v0.0.0', 'v0.0.0-xxxxxxx', 'v1.4.0', '1.4', 'v1.9.3-5-gabc', 'v2.0.0+x'])
    assert.equal(await ask(served), 200, served);
  for (const tooOld of ['v1.3.9', 'v1.4.0-rc1', '0.9', 'v0.0.1', '1'])
    assert.equal(await ask(tooOld), 403, tooOld);
  for (const unreadable of ['latest', 'v1.x', '1.4.0.0', 'v1.4.0 ;'])
    assert.equal(await ask(unreadable), 400, unreadable);
  const {
    Error: text,
    MinVersion,
    ClientVersion,
    ServerVersion,
    Status,
    Code,
    Message,
    Hint,
  } = (await call(api, `${agent}/alive`, { headers: client('v1.3.2') })).json();
  assert.deepEqual(
    { text, MinVersion, ClientVersion, ServerVersion, Status, Code, Message, Hint },
    {
      text: 'Client version is outdated. Update your client',
      MinVersion: '1.4.0',
      ClientVersion: 'v1.3.2',
      ServerVersion: `muster-${version}`,
      Status: 403,
      Code: 'Forbidden',
      Message: text,
      Hint: 'update Bacalhau to 1.4.0 or a later version',
    },
  );
  const unreadable = (await call(api, `${agent}/alive`, { headers: client('latest') })).json();
  assert.equal(unreadable.Error, 'Invalid client version latest');
  // Who may ask is settled first.
  const change = await put(api, 'node-1', { Action: 'approve' }, { token: '', headers: client('latest') });
  assert.equal(change.status, 401);
});

test('there are no jobs: the list is empty, none is found, and none is taken', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const listed = await call(api, `${jobs}?order_by=created_at&limit=10&namespace=*`);
  assert.deepEqual([listed.status, listed.json()], [200, { NextToken: '', Items: [] }]);
  for (const path of ['x', 'x/history', 'x/executions', 'x/results', 'x/logs', 'x/versions']) {
    const { Message, Code, Hint } = (await call(api, `${jobs}/${path}`)).json();
    assert.deepEqual([Message, Code], ['job not found: x', 'NotFound'], path);
    assert.match(String(Hint), /muster keeps the roll of nodes and runs no jobs/);
  }
  const changes: [method: string, path: string][] = [
    ['PUT', ''],
    ['POST', ''],
    ['PUT', '/diff'],
    ['PUT', '/x/rerun'],
    ['DELETE', '/x'],
  ];
  for (const [method, path] of changes) {
    const answer = await call(api, `${jobs}${path}`, { method, body: '{"Job":{}}' });
    const { Message, Code } = answer.json();
    assert.deepEqual([answer.status, Message, Code], [501, 'muster runs no jobs', 'NotImplemented'], path);
    assert.equal((await call(api, `${jobs}${path}`, { method, token: '' })).status, 401);
  }
});

test('who follows the log of a job on a WebSocket is told there that none are run, and a stranger is not let on it', async t => {
  const open = await serve(t, cluster());
  const closed = await serve(t, cluster(), { openReads: false });
  const ask = (api: typeof open, job: string, key = 'dGhlIHNhbXBsZSBub25jZQ==') => {
    const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': key };
    const path = `${jobs}/${job}/logs?follow=true`;
    return request({ host: '127.0.0.1', port: api.port, path, headers, agent: false }).end();
  };
  for (const [job, headBytes] of [
    ['x', 2],
    ['x'.repeat(100), 4],
  ] as const) {
    const [answer, socket, first] = await once(ask(open, job), 'upgrade');
    // The answer to this key stands in RFC 6455, section 1.3.
    assert.equal(answer.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    const chunks: Buffer[] = [first];
    for await (const chunk of socket) chunks.push(chunk);
    const frames = Buffer.concat(chunks);
    const close = frames.length - 4;
    assert.deepEqual([...frames.subarray(close)], [0x88, 2, 0x03, 0xe8]);
    const length = headBytes === 2 ? frames.readUInt8(1) : frames.readUInt16BE(2);
    assert.deepEqual([frames[0], length], [0x81, close - headBytes]);
    if (headBytes === 4) assert.equal(frames[1], 126);
    const { error } = JSON.parse(frames.toString('utf8', headBytes, close));
    assert.ok(
      error.startsWith(`job not found: ${job}; muster keeps the roll of nodes and runs no jobs`),
      error,
    );
  }
  for (const [refused, status] of [
    [ask(closed, 'x'), 401],
    [ask(open, 'x', 'short'), 404],
  ] as const) {
    const [response] = await once(refused, 'response');
    assert.equal(response.statusCode, status);
    response.destroy();
  }
});

test('the routes about the server itself that some releases of Bacalhau ask for', async t => {
  const directory = cluster();
  const config = { Orchestrator: { Enabled: true } };
  const api = await serve(t, directory, { config: () => config });
  const get = async (path: string, GitVersion = 'v1.6.5') =>
    (await call(api, path, { headers: client(GitVersion) })).json();
  const build = { ...directory.self.BacalhauVersion, GitVersion: `muster-${version}` };
  assert.deepEqual(await get(`${agent}/node`), directory.self);
  assert.deepEqual(await get(`${agent}/node`, 'v1.4.0'), {
    Info: directory.self,
    Membership: 'APPROVED',
    Connection: 'CONNECTED',
  });
  assert.deepEqual(await get(`${agent}/config`), { config });
  assert.deepEqual(await get(`${agent}/authconfig`), { Version: '1.0.0', Config: {} });
  assert.deepEqual(await get(`${agent}/debug`), {
    DiscoveredNodes: JSON.parse(JSON.stringify(directory.list())),
  });
  const licence = await call(api, `${agent}/license`);
  assert.deepEqual([licence.status, licence.json().Hint], [404, 'muster needs none']);
  for (const path of ['/', '/version']) assert.deepEqual(await get(path), build);
  for (const base of ['', '/api/v1']) {
    assert.equal((await call(api, `${base}/livez`)).text, 'OK');
    assert.equal((await call(api, `${base}/id`)).text, 'node-0');
    assert.deepEqual(await get(`${base}/node_info`), directory.self);
  }
  const body = '{"client_id":"x"}';
  const asked = await call(api, '/api/v1/version', { method: 'POST', body, token: '' });
  assert.deepEqual([asked.status, asked.json()], [200, { build_version_info: build }]);
});

test('where reads need a token, all of them do, and only the ways to log in are open', async t => {
  const api = await serve(t, cluster(), { openReads: false });
  const open = ['/api/v1/auth', `${agent}/authconfig`];
  for (const path of open) assert.equal((await call(api, path)).status, 200, path);
  for (const path of [
    `${agent}/alive`,
    `${agent}/version`,
    `${agent}/config`,
    jobs,
    '/',
    '/livez',
    '/id',
    '/node_info',
  ]) {
    assert.equal((await call(api, path)).status, 401, path);
    assert.equal((await call(api, path, { token: tokens.reader })).status, 200, path);
  }
  const version = { method: 'POST', body: '{}' };
  assert.equal((await call(api, '/api/v1/version', { ...version, token: '' })).status, 401);
  assert.equal((await call(api, '/api/v1/version', { ...version, token: tokens.reader })).status, 200);
});

test('who logs in with an empty token goes on without one where reads need none, and can change nothing', async t => {
  const directory = cluster();
  const open = await serve(t, directory);
  const closed = await serve(t, directory, { openReads: false });
  const login = (api: typeof open) =>
    call(api, `/api/v1/auth/${loginMethod}`, {
      method: 'POST',
      token: '',
      body: JSON.stringify({ MethodData: Buffer.from('{"Token":""}').toString('base64') }),
    });
  const skipped = await login(open);
  assert.deepEqual([skipped.status, skipped.json()], [200, { Authentication: { success: true, token: '' } }]);
  assert.equal((await login(closed)).status, 401);
  const headers = { Authorization: 'Bearer' };
  assert.equal((await call(open, '/api/v1/orchestrator/nodes', { headers })).status, 200);
  const change = await put(open, 'node-1', { Action: 'approve' }, { token: '', headers });
  assert.deepEqual([change.status, change.json().Message], [403, "this change needs an operator's token"]);
  assert.equal((await call(closed, '/api/v1/orchestrator/nodes', { headers })).status, 403);
  assert.equal(directory.get('node-1').Membership, 'PENDING');
});

test('a user name with a password is refused with what helps', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const headers = { Authorization: `Basic ${Buffer.from(`tester:${tokens.tester}`).toString('base64')}` };
  const { status, json } = await put(api, 'node-1', { Action: 'approve' }, { token: '', headers });
  const { Message, Hint } = json();
  assert.deepEqual([status, Message], [403, 'muster knows no user names and passwords']);
  assert.match(String(Hint), /BACALHAU_API_KEY/);
  assert.equal(directory.get('node-1').Membership, 'PENDING');
});
