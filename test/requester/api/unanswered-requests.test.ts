// Sends many requests on one connection without waiting for an answer, and calls the API beside it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Api } from '../../../agent/requester/api/server.ts';
import { maxUnanswered } from '../../../agent/requester/api/unanswered-requests.ts';
import { recordLog } from '../../support/log-lines.ts';
import { call, cluster, serve } from './api-fixture.ts';

const path = '/api/v1/agent/alive';
const ask = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** Sends `text`, and returns how many answers came until the server, or this side after `answers`, ended the connection. */
async function answersTo(t: TestContext, api: Api, text: string, answers: number): Promise<number> {
  const socket = connect(api.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  let read = '';
  const seen = () => read.split('HTTP/1.1 200').length - 1;
  socket.on('data', data => {
    read += data;
    if (seen() >= answers) socket.end();
  });
  socket.write(text);
  await new Promise(resolve => socket.once('close', resolve));
  return seen();
}

test('requests in one piece are all answered up to the bound', async t => {
  const api = await serve(t, cluster());
  assert.equal(await answersTo(t, api, ask.repeat(maxUnanswered), maxUnanswered), maxUnanswered);
});

test('a connection that was answered before may send as many again', async t => {
  const api = await serve(t, cluster());
  const agent = connect(api.port, '127.0.0.1');
  t.after(() => agent.destroy());
  let read = '';
  agent.on('data', data => {
    read += data;
  });
  for (const round of [1, 2, 3]) {
    agent.write(ask.repeat(maxUnanswered));
    while (read.split('HTTP/1.1 200').length - 1 < round * maxUnanswered) await once(agent, 'data');
  }
});

test('a connection with thousands of requests in one piece is closed, with one warning, and others are answered', async t => {
  const { log, lines } = recordLog();
  const directory = cluster();
  let carriedOut = 0;
  directory.list = () => {
    carriedOut++;
    return [];
  };
  const api = await serve(t, directory, { log });
  const text = ask.replace(path, '/api/v1/orchestrator/nodes').repeat(5_000);
  const flood = answersTo(t, api, text, 5_000);
  assert.equal((await call(api, path)).status, 200);
  assert.ok((await flood) < 5_000);
  assert.ok(carriedOut <= maxUnanswered, `${carriedOut} requests were carried out`);
  assert.equal((await call(api, path)).status, 200);
  const warnings = lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
  assert.deepEqual(warnings, [
    `a caller of the API sent more than ${maxUnanswered} requests without waiting for an answer; its connection is closed`,
  ]);
});
