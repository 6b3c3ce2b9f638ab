// Tests that a command shows its token to nobody but the requester: another program may listen on the requester's port.
import assert from 'node:assert/strict';
import { type RequestListener, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { ApiClient } from '../../agent/api/client.ts';
import { tokenSource } from '../../agent/api/find-token.ts';
import { call, cluster, serve } from '../requester/api/api-fixture.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { FakeOperators, tokens } from '../support/fake-operators.ts';
import { answering, refusal } from './answering-server.ts';

const decision = { Action: 'approve', Message: '', Actor: 'ada@desk' } as const;

/** Returns a client that shows the token of an operator who may do everything. */
function client(port: number): ApiClient {
  const { api, ...settings } = defaultSettings();
  return new ApiClient({
    host: '127.0.0.1',
    port,
    tokens: tokenSource({ ...settings, api: { ...api, token: tokens.tester } }),
  });
}

/** Starts a program of somebody else, and records all that it receives. */
const thief = (t: TestContext, answer: RequestListener) =>
  answering(t, answer, ({ method, url, headers }) => `${method} ${url} ${JSON.stringify(headers)}`);

test('a requester that knows the token proves it, and the change is made', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  await client(api.port).decide('node-1', decision);
  assert.equal(directory.get('node-1').Muster.Decision?.Actor, 'tester');
});

test('the thief who listens on the port while the requester is away gets neither the token nor the change', async t => {
  const node = JSON.stringify({ Node: cluster().get('node-1') });
  const json =
    (body: string): RequestListener =>
    (request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(request.url?.includes('/nodes/') && request.method === 'GET' ? node : body);
    };
  const guesses = [
    JSON.stringify({ Proof: 'A'.repeat(43) }),
    JSON.stringify({ Proof: Buffer.alloc(32).toString('base64url') }),
  ];
  for (const guess of guesses) {
    const { port, seen } = await thief(t, json(guess));
    const error = await refusal(client(port).decide('node-1', decision));
    assert.equal(error.exitCode, 77);
    assert.match(
      error.message,
      /does not know the token of operator tester \(api\.token\); nothing was sent to it$/,
    );
    assert.ok(seen.length > 0 && seen.every(line => line.startsWith('GET ')), seen.join('\n'));
    assert.ok(!seen.join('').includes(tokens.tester));
  }
  // An orchestrator of Bacalhau knows no proofs, and gets no token of muster either.
  const other = await thief(t, (request, response) => {
    response.writeHead(request.url?.includes('/nodes/') ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(
      request.url?.includes('/nodes/') ? node : '{"Status":404,"Message":"Not Found","Code":"NotFound"}',
    );
  });
  assert.equal((await refusal(client(other.port).decide('node-1', decision))).code, 'not_allowed');
  assert.ok(!other.seen.join('').includes('mop_'));
});

test('a thief who passes the question on to the real requester has another port, so the proof is wrong', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const { port, seen } = await thief(t, (incoming, response) => {
    const { method, url, headers } = incoming;
    const passed = request({ host: '127.0.0.1', port: api.port, method, path: url, headers, agent: false });
    passed.on('response', answer => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(passed);
  });
  assert.equal((await refusal(client(port).decide('node-1', decision))).code, 'not_allowed');
  assert.ok(seen.some(line => line.includes('/auth/proof')) && !seen.join('').includes(tokens.tester));
  assert.equal(directory.get('node-1').Membership, 'PENDING');
});

test('a proof about an operator who is not there looks like any other', async t => {
  const api = await serve(t, cluster());
  const ask = async (name: string, nonce = 'n'.repeat(32)) =>
    call(api, `/api/v1/auth/proof?operator=${name}&nonce=${nonce}`);
  const [real, unknown, again] = [await ask('tester'), await ask('nobody'), await ask('nobody')];
  for (const answer of [real, unknown]) {
    assert.equal(answer.status, 200);
    assert.deepEqual(Object.keys(answer.json()), ['Proof']);
    assert.match(String(answer.json().Proof), /^[A-Za-z0-9_-]{43}$/);
  }
  // Otherwise a second question would tell.
  assert.equal(again.text, unknown.text);
  assert.notEqual((await ask('nobody', 'm'.repeat(32))).text, unknown.text);
  for (const [name, nonce] of [
    ['tester', 'short'],
    ['a b', 'n'.repeat(32)],
    ['', ''],
  ] as const)
    assert.equal((await ask(encodeURIComponent(name), nonce)).status, 400);
});

test('the refusals of a token that is read-only, expired or revoked are told as they are, with exit code 77', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const { api: defaults, ...settings } = defaultSettings();
  const withToken = (token: string) =>
    new ApiClient({
      host: '127.0.0.1',
      port: api.port,
      tokens: tokenSource({ ...settings, api: { ...defaults, token } }),
    });
  const cases: [token: string, message: RegExp][] = [
    [tokens.reader, /^operator reader may only read$/],
    [tokens.former, /^the token of operator former expired at /],
  ];
  for (const [token, message] of cases) {
    const error = await refusal(withToken(token).decide('node-1', decision));
    assert.deepEqual([error.exitCode, message.test(error.message)], [77, true], error.message);
  }
  await directory.operators.revoke('tester', { actor: 'x' });
  const error = await refusal(withToken(tokens.tester).decide('node-1', decision));
  assert.deepEqual(
    [error.exitCode, /does not know the token of operator tester/.test(error.message)],
    [77, true],
  );
  assert.match(error.hint ?? '', /the token was revoked/);
  const nonsense = await refusal(withToken('s3cret-text').decide('node-1', decision));
  assert.deepEqual([nonsense.exitCode, nonsense.message.includes('s3cret')], [78, false]);
  assert.equal(new FakeOperators().list().length, 3);
});
