// Opens many connections that send nothing, half a request or a whole one, and calls the API beside them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Api } from '../../../agent/requester/api/server.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { tokens } from '../../support/fake-operators.ts';
import { recordLog } from '../../support/log-lines.ts';
import { call, cluster, node, put, serve } from './api-fixture.ts';

/** More than the server takes at a time. */
const flood = 1_100;

const halfRequests = [
  '',
  'GET /api/v1/agent/alive HTTP/1.1\r\nHost: localhost\r\nX-Half: ',
  `PUT /api/v1/orchestrator/nodes/node-1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokens.tester}\r\nContent-Length: 100\r\n\r\n{"Action"`,
];

test(`${flood} connections that send nothing, half a head or no body lock nobody out, and cut no caller off`, async t => {
  const { log, lines } = recordLog();
  const directory = cluster();
  // On a busy machine the flood takes longer than the time between two signs of life.
  const api = await serve(t, directory, { log, signOfLifeMs: 3_600_000 });
  const follower = await fetch(`${api.url}/api/v1/orchestrator/events?follow=true`);
  const reader = follower.body?.getReader();
  assert.ok(reader);
  t.after(() => reader.cancel().catch(() => undefined));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const kept = await callAndKeep(api, agent);

  const sockets = await openMany(t, api, flood);
  for (const [i, socket] of sockets.entries()) socket.write(halfRequests[i % 3] ?? '');
  // The answers come while connections of the flood are still open, and not when their time is over.
  assert.equal(await callAndKeep(api, agent), kept, 'the kept connection was closed');
  assert.equal((await call(api, '/api/v1/agent/alive')).status, 200);
  assert.equal((await put(api, 'node-2', { Action: 'approve' })).status, 200);
  assert.ok(sockets.some(socket => !socket.closed));
  directory.emit('node-1', '{"id":"node-1:9"}');
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), '{"id":"node-1:9","cursor":"fake-0"}\n');
  assert.deepEqual(
    lines.filter(({ level }) => level !== 'debug').map(({ level, message }) => [level, message]),
    [['warn', 'more than 256 new connections to the API wait; those that wait longest are closed']],
  );
});

test(`${flood} idle connections that had an answer lock nobody out`, async t => {
  const api = await serve(t, cluster());
  const sockets = await openMany(t, api, 600);
  for (const socket of sockets) socket.write('GET /api/v1/agent/alive HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await eventually('some are closed', () => sockets.some(socket => socket.closed));
  await openMany(t, api, 600);
  assert.equal((await call(api, '/api/v1/agent/alive')).status, 200);
});

for (const [what, count] of [
  ['an answer', 32],
  ['a list in pieces', 100],
] as const)
  test(`a caller that does not read ${what} is cut off, and the others get theirs`, async t => {
    const { log, lines } = recordLog();
    const directory = cluster();
    const labels = { text: 'x'.repeat(32_000_000 / count) };
    const nodes = Array.from({ length: count }, (_, number) => node(`big-${number}`, { labels }));
    const api = await serve(t, new FakeDirectory(directory.self, nodes), { log, readTimeoutMs: 300 });
    const [deaf] = await openMany(t, api, 1);
    assert.ok(deaf);
    deaf.write('GET /api/v1/orchestrator/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const text = 'a caller of the API does not read its answer and is cut off';
    await eventually('the caller is cut off', () => lines.some(({ message }) => message === text));
    assert.equal((await call(api, '/api/v1/agent/alive')).status, 200);
    let bytes = 0;
    deaf.on('data', data => {
      bytes += data.length;
    });
    await once(deaf, 'close');
    assert.ok(bytes < 32_000_000, `${bytes} bytes came`);
  });

// Opens connections, and closes them at the end of the test.
async function openMany(t: TestContext, api: Api, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(api.port, '127.0.0.1'));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) socket.on('error', () => undefined);
  await Promise.all(sockets.map(socket => once(socket, 'connect')));
  return sockets;
}

// Calls the API on the connection that `agent` keeps, and returns the port of that connection.
async function callAndKeep(api: Api, agent: Agent): Promise<number | undefined> {
  const sent = request({ host: '127.0.0.1', port: api.port, path: '/api/v1/agent/alive', agent });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const { localPort } = response.socket;
  response.resume();
  await once(response, 'end');
  return localPort;
}
