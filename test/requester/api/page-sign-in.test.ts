// Tests over real HTTP how a person signs in to the page, and what the page is told of who reads it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expiredAt, tokens } from '../../support/fake-operators.ts';
import { call, cluster, serve } from './api-fixture.ts';

const auth = '/api/v1/auth';
const post = { method: 'POST', token: '' };

test('a code of an operator signs one page in', async t => {
  const api = await serve(t, cluster());
  const made = await call(api, `${auth}/page-codes`, { method: 'POST', token: tokens.tester });
  assert.equal(made.status, 200);
  assert.equal(made.headers['cache-control'], 'no-store');
  const { Code, ValidSeconds } = made.json();
  assert.equal(ValidSeconds, 60);
  const body = JSON.stringify({ Code });
  const signedIn = await call(api, `${auth}/page`, { ...post, body });
  assert.deepEqual(signedIn.json(), {
    Token: tokens.tester,
    Operator: 'tester',
    MayDecide: true,
    MayRead: true,
  });
  const again = await call(api, `${auth}/page`, { ...post, body });
  assert.equal(again.status, 401);
  assert.match(again.text, /it was used already, or is older than 60 s.*muster operator revoke NAME/);
});

test('a code needs a token, and gives no more than that', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  assert.equal((await call(api, `${auth}/page-codes`, post)).status, 401);
  const wrong = await call(api, `${auth}/page-codes`, { method: 'POST', token: tokens.former });
  assert.match(wrong.text, /the token of operator former expired/);
  const made = await call(api, `${auth}/page-codes`, { method: 'POST', token: tokens.reader });
  const body = JSON.stringify({ Code: made.json().Code });
  directory.operators.records.delete('reader');
  assert.equal((await call(api, `${auth}/page`, { ...post, body })).status, 401);
  const other = await call(api, `${auth}/page-codes`, { method: 'POST', token: tokens.tester });
  const foreign = { 'Sec-Fetch-Site': 'cross-site' };
  const stolen = JSON.stringify({ Code: other.json().Code });
  assert.equal((await call(api, `${auth}/page`, { ...post, body: stolen, headers: foreign })).status, 403);
});

const badBodies = ['', '{}', '{"Code":7}', '{"Code":"short"}', `{"Code":"${'A'.repeat(22)}","x":1}`];
test('what is no code is refused', async t => {
  const api = await serve(t, cluster());
  for (const body of badBodies)
    assert.equal((await call(api, `${auth}/page`, { ...post, body })).status, 400, body);
  const long = `{"Code":"${'A'.repeat(2_000)}"}`;
  assert.equal((await call(api, `${auth}/page`, { ...post, body: long })).status, 413);
});

test('the page learns who reads it', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const callerOf = async (token: string) => (await call(api, `${auth}/caller`, { token })).json();
  assert.deepEqual(await callerOf(''), { Operator: '', MayDecide: false, MayRead: true });
  assert.deepEqual(await callerOf(tokens.reader), { Operator: 'reader', MayDecide: false, MayRead: true });
  const record = directory.operators.records.get('tester');
  assert.ok(record);
  const later = '2999-01-01T00:00:00Z';
  directory.operators.records.set('tester', { ...record, expires: later });
  assert.deepEqual(await callerOf(tokens.tester), {
    Operator: 'tester',
    MayDecide: true,
    MayRead: true,
    Expires: later,
  });
  const former = await call(api, `${auth}/caller`, { token: tokens.former });
  assert.equal(former.status, 401);
  assert.ok(former.text.includes(`expired at ${expiredAt}`));
  const closed = await serve(t, cluster(), { openReads: false });
  const nobody = await call(closed, `${auth}/caller`);
  assert.deepEqual(nobody.json(), { Operator: '', MayDecide: false, MayRead: false });
});
