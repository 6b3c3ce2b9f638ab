// Harmful or senseless input to the API is refused with a clear text and changes nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type Api, startApi } from '../../../agent/requester/api/server.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { hostOf } from '../../../agent/system/host-header.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { isLoopback } from '../../../agent/system/loopback.ts';
import { listen } from '../../support/listener.ts';
import { call, cluster, put, serve } from './api-fixture.ts';

const nodes = '/api/v1/orchestrator/nodes';

const badBodies: [what: string, body: string, status: number, message: RegExp][] = [
  ['nothing', '', 400, /not a JSON document/],
  ['half of it', '{"Action":"appro', 400, /not a JSON document/],
  ['a list', '[]', 400, /expected an object/],
  ['text', '"approve"', 400, /expected an object/],
  ['null', 'null', 400, /unsupported action ""/],
  ['no action', '{}', 400, /unsupported action ""; allowed: approve, reject, delete, rekey, cordon, /],
  [
    'an unknown action',
    '{"Action":"promote"}',
    400,
    /unsupported action "promote"; allowed: approve, reject, delete, rekey, cordon, /,
  ],
  ['an action that is no text', '{"Action":{"$ne":1}}', 400, /Action: /],
  ['an action to steer a terminal', '{"Action":"\\u001b[2J"}', 400, /unsupported action "\\u001b\[2J"/],
  ['a message that is no text', '{"Action":"approve","Message":7}', 400, /Message: /],
  [
    'a long message',
    `{"Action":"reject","Message":"${'x'.repeat(1025)}"}`,
    400,
    /Message: longer than 1024 characters/,
  ],
  [
    'a long actor',
    `{"Action":"reject","Actor":"${'x'.repeat(257)}"}`,
    400,
    /Actor: longer than 256 characters/,
  ],
  ['an actor with a line break', '{"Action":"reject","Actor":"a\\nb"}', 400, /Actor: holds characters/],
  ['deep nesting', `{"Action":"approve","x":${'['.repeat(40)}${']'.repeat(40)}}`, 400, /nested deeper/],
  [
    '64 KiB and a byte',
    `{"Action":"approve","x":"${'x'.repeat(65_536 - 26)}"}`,
    413,
    /larger than 65536 bytes/,
  ],
  ['20 MB', `{"Action":"approve","x":"${'x'.repeat(20e6)}"}`, 413, /larger than 65536 bytes/],
];
for (const [what, body, status, message] of badBodies) {
  test(`a PUT with ${what} is refused`, async t => {
    const directory = cluster();
    const api = await serve(t, directory);
    const answer = await put(api, 'node-1', body);
    assert.equal(answer.status, status, answer.text);
    assert.match(String(answer.json().Message), message);
    assert.equal(answer.json().Component, 'APIServer');
    assert.equal(directory.get('node-1').Membership, 'PENDING');
  });
}

test('a body that is not UTF-8 is refused', async t => {
  const api = await serve(t, cluster());
  const body = Buffer.from('{"Action":"approve","Message":"\xff\xfe"}', 'latin1');
  const answer = await call(api, `${nodes}/node-1`, { method: 'PUT', body });
  assert.equal(answer.status, 400);
  assert.match(String(answer.json().Message), /not UTF-8/);
});

test('a long body in chunks without a length is refused', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const body = `{"Action":"approve","x":"${'x'.repeat(200_000)}"}`;
  const answer = await call(api, `${nodes}/node-1`, {
    method: 'PUT',
    headers: { 'Transfer-Encoding': 'chunked' },
    body,
  });
  assert.equal(answer.status, 413);
  assert.equal(directory.get('node-1').Membership, 'PENDING');
});

test('a body at each limit is accepted: 64 KiB, 1024 characters and 256 characters', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const [Message, Actor] = ['é'.repeat(1024), 'a'.repeat(256)];
  const start = JSON.stringify({ Action: 'approve', Message, Actor }).slice(0, -1);
  // The tools of Bacalhau send this member, and nothing reads it.
  const body = `${start},"Namespace":"${'x'.repeat(65_536 - Buffer.byteLength(start) - 16)}"}`;
  assert.equal(Buffer.byteLength(body), 65_536);
  assert.equal((await put(api, 'node-1', body)).status, 200);
  assert.deepEqual(
    [directory.get('node-1').Muster.Decision?.Reason, directory.get('node-1').Muster.Decision?.ClaimedActor],
    [Message, Actor],
  );
});

const strangeNames = [
  '..%2f..%2fetc%2fpasswd',
  'node-1%00',
  'node-1%0a',
  '%',
  '%zz',
  '%ff%fe',
  '%F0%9F%98%80',
  'node-1%20or%201=1',
  '*',
  '%3E',
  '%E2%80%AEnode',
  'x'.repeat(129),
  'x'.repeat(8000),
];
for (const name of strangeNames) {
  test(`a node named ${name.slice(0, 30)} is not found`, async t => {
    const api = await serve(t, cluster());
    for (const answer of [await call(api, `${nodes}/${name}`), await put(api, name, { Action: 'delete' })]) {
      assert.equal(answer.status, 404, answer.text);
      assert.match(String(answer.json().Message), /^node not found: /);
      assert.ok(answer.text.length < 600, 'the answer repeats the whole name');
      assert.match(answer.text, /^[^\u0000-\u001f\u007f-\u009f\u202e]*\n$/);
    }
  });
}

const strangePaths = [
  '/api',
  '/api/v1/orchestrator',
  `${nodes}/`,
  `${nodes}/node-1/`,
  `${nodes}/node-1/x`,
  `${nodes}/../../../../etc/passwd`,
  `${nodes}/%2e%2e`,
  '//evil.example/x',
  '/%00',
  '/API/V1/agent/alive',
];
for (const path of strangePaths) {
  test(`GET ${path} is answered with 404`, async t => {
    const answer = await call(await serve(t, cluster()), path);
    assert.equal(answer.status, 404, answer.text);
    const { Code, Component, Message } = answer.json();
    assert.deepEqual([Code, Component], ['NotFound', 'APIServer']);
    assert.match(String(Message), /^there is nothing at GET \//);
  });
}

for (const method of ['POST', 'DELETE', 'PATCH', 'OPTIONS', 'PUT']) {
  test(`${method} on the list is 404 and changes nothing`, async t => {
    const directory = cluster();
    const api = await serve(t, directory);
    const answer = await call(api, nodes, { method, body: '{"Action":"delete"}' });
    assert.equal(answer.status, 404);
    assert.equal(directory.nodes.size, 4);
  });
}

test('HEAD has the headers of GET and no body', async t => {
  const api = await serve(t, cluster());
  for (const path of [nodes, `${nodes}/nope`, '/api/v1/orchestrator/events?follow=true']) {
    const answer = await call(api, path, { method: 'HEAD' });
    assert.deepEqual([answer.status, answer.text], [path.endsWith('nope') ? 404 : 200, ''], path);
  }
});

test('a web page cannot call the API: no CORS headers, and a foreign Host is refused', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const preflight = await call(api, `${nodes}/node-1`, {
    method: 'OPTIONS',
    headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'PUT' },
  });
  const read = await call(api, nodes, { headers: { Origin: 'https://evil.example' } });
  for (const { headers } of [preflight, read]) {
    assert.deepEqual(
      Object.keys(headers).filter(name => name.startsWith('access-control-')),
      [],
    );
  }
  const rebound = await call(api, `${nodes}/node-1`, {
    method: 'PUT',
    headers: { Host: `evil.example:${api.port}` },
    body: '{"Action":"approve"}',
  });
  assert.equal(rebound.status, 403);
  assert.equal(rebound.json().Code, 'Forbidden');
  assert.equal(directory.get('node-1').Membership, 'PENDING');
});

test('a Host header may name only the loopback', () => {
  const good = [
    'localhost',
    'localhost:1234',
    'LOCALHOST:1',
    '127.0.0.1',
    '127.0.0.1:1234',
    '127.1.2.3',
    '[::1]',
    '[::1]:80',
  ];
  const bad = [
    undefined,
    '',
    'evil.example',
    'localhost.evil.example',
    'evil.localhost.example:1234',
    '127.0.0.1.evil.example',
    '127.1',
    '0x7f.0.0.1',
    '0.0.0.0',
    '10.0.0.1',
    '[::]',
    '[::ffff:10.0.0.1]',
    '::1',
    'localhost:123456',
    'localhost:1234:5',
    'user@localhost',
    'localhost ',
  ];
  for (const header of good) assert.equal(isLoopback(hostOf(header)), true, header);
  for (const header of bad) assert.equal(isLoopback(hostOf(header)), false, String(header));
});

const rawRequests: [what: string, text: string, first: RegExp][] = [
  ['no Host', 'GET /api/v1/agent/alive HTTP/1.1\r\n\r\n', /^HTTP\/1.1 400 /],
  ['a Host that no URL can have', 'GET / HTTP/1.1\r\nHost: 1.2.3.4.5\r\n\r\n', /^HTTP\/1.1 403 /],
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n', /^HTTP\/1.1 403 /],
  ['noise', '\u0000\u0001\u0002 hello\r\n\r\n', /^HTTP\/1.1 400 /],
  [
    'a header of 20 KB',
    `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    /^HTTP\/1.1 431 /,
  ],
  [
    'a foreign absolute target',
    'GET http://evil.example/api/v1/agent/alive HTTP/1.1\r\nHost: evil.example\r\n\r\n',
    /^HTTP\/1.1 403 /,
  ],
  ['a path that climbs', 'GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n', /^HTTP\/1.1 404 /],
  ['a backslash', 'GET /\\..\\x HTTP/1.1\r\nHost: localhost\r\n\r\n', /^HTTP\/1.1 400 /],
  [
    'two lengths',
    'PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    /^HTTP\/1.1 400 /,
  ],
];
for (const [what, text, first] of rawRequests) {
  test(`a request with ${what} is refused, and the server goes on`, async t => {
    const api = await serve(t, cluster());
    assert.match(await rawAnswer(api, text), first);
    assert.equal((await call(api, '/api/v1/agent/alive')).status, 200);
  });
}

async function rawAnswer(api: Api, text: string): Promise<string> {
  const socket = connect(api.port, '127.0.0.1');
  socket.write(text);
  const [chunk] = await once(socket, 'data');
  socket.destroy();
  return String(chunk);
}

test('a hundred callers at the same time are all answered', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const calls = Array.from({ length: 100 }, (_, i) =>
    i % 4 === 0
      ? put(api, 'node-1', { Action: 'approve' })
      : call(api, i % 4 === 1 ? `${nodes}/nope` : nodes),
  );
  const statuses = (await Promise.all(calls)).map(answer => answer.status);
  const count = (status: number) => statuses.filter(found => found === status).length;
  // One approval comes first. The others find the node approved.
  assert.deepEqual([count(200), count(404), count(409)], [51, 25, 24]);
});

const refusedHosts = ['0.0.0.0', '::', '192.168.1.1', 'example.org', '127.0.0.1.example.org', ''];
for (const host of refusedHosts) {
  test(`listening on "${host}" without a certificate is refused`, async () => {
    const starting = startApi({ directory: cluster(), host, port: 0, log: silentLog });
    await assert.rejects(starting, (error: unknown) => {
      assert.ok(error instanceof MusterError);
      assert.equal(error.code, 'bad_config');
      assert.match(error.message, /^api\.host is .* beyond the loopback the API needs a certificate$/);
      return true;
    });
  });
}

for (const host of ['localhost', '127.0.0.1', '127.8.9.10']) {
  test(`listens on ${host}, on a free port`, async t => {
    const api = await serve(t, cluster(), { host });
    assert.equal(api.url, `http://${host}:${api.port}`);
    assert.ok(api.port > 0);
    const answer = await fetch(`${api.url}/api/v1/agent/alive`);
    assert.deepEqual(await answer.json(), { Status: 'OK' });
  });
}

test('a port that is in use gives an error with the port and its setting', async t => {
  const taken = await listen(socket => socket.destroy());
  t.after(() => taken.close());
  const starting = startApi({ directory: cluster(), host: '127.0.0.1', port: taken.port, log: silentLog });
  await assert.rejects(starting, (error: unknown) => {
    assert.ok(error instanceof MusterError);
    assert.equal(error.code, 'in_use');
    assert.equal(error.exitCode, 1);
    assert.equal(error.message, `port ${taken.port} on 127.0.0.1 is in use by another program (api.port)`);
    assert.match(error.hint ?? '', /--api-port/);
    return true;
  });
});

test('a port that does not exist gives an error with the port', async () => {
  const starting = startApi({ directory: cluster(), host: '127.0.0.1', port: 70_000, log: silentLog });
  await assert.rejects(starting, { code: 'failed', message: /cannot listen on 127\.0\.0\.1, port 70000/ });
});

test('a stop ends streams and idle connections, and new ones are refused', async t => {
  const api = await startApi({ directory: cluster(), host: '127.0.0.1', port: 0, log: silentLog });
  const stream = await fetch(`${api.url}/api/v1/orchestrator/events?follow=1`);
  const idle = connect(api.port, '127.0.0.1');
  t.after(() => idle.destroy());
  await once(idle, 'connect');
  const ended = once(idle, 'close');
  await api.stop();
  assert.equal(await stream.text(), '');
  await ended;
  await assert.rejects(fetch(`${api.url}/api/v1/agent/alive`));
});
