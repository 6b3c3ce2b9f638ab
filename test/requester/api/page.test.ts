// Tests how the page is served, over real HTTP: to browsers only, with a strict policy, and what other pages may not ask.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { pagePolicy } from '../../../agent/requester/api/page-routes.ts';
import { readPageFile } from '../../../agent/requester/page/page-files.ts';
import { tokens } from '../../support/fake-operators.ts';
import { readRoll } from '../../support/read-roll.ts';
import { call, cluster, put, serve } from './api-fixture.ts';

const browser = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
const files: Record<string, Uint8Array> = {
  'index.html': Buffer.from('<!doctype html>'),
  'index.html.gz': gzipSync('<!doctype html>'),
  'page-BrUqin62.js': Buffer.from('1;'),
  'page-BrUqin62.js.br': Buffer.from('br'),
  secret: Buffer.from('a hidden text'),
};
const readPage = async (name: string) => files[name];

test('a browser gets the page at /, and any other client the version', async t => {
  const api = await serve(t, cluster(), { readPage });
  const page = await call(api, '/?status=UNHEALTHY', { headers: browser });
  assert.deepEqual([page.status, page.text], [200, '<!doctype html>']);
  const { headers } = page;
  assert.equal(headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(headers['content-security-policy'], pagePolicy);
  assert.doesNotMatch(pagePolicy, /unsafe|\*|http|data:/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['referrer-policy'], 'no-referrer');
  assert.equal(headers['x-frame-options'], 'DENY');
  assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
  assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
  assert.match(String(headers.vary), /Accept\b/);
  for (const Accept of ['*/*', 'application/json, text/html;q=0', 'text/htmlx']) {
    const version = await call(api, '/', { headers: { Accept } });
    assert.match(String(version.json().GitVersion), /^muster-/, Accept);
  }
});

test('the page needs no token where reads need one, and then says nothing of the cluster', async t => {
  const api = await serve(t, cluster(), { readPage, openReads: false });
  assert.equal((await call(api, '/', { headers: browser })).status, 200);
  assert.equal((await call(api, '/ui/page-BrUqin62.js')).status, 200);
  assert.equal((await call(api, '/')).status, 401);
});

test('files are compressed as the browser takes them, and kept for ever when their names have a hash', async t => {
  const api = await serve(t, cluster(), { readPage });
  const js = (encodings: string) =>
    call(api, '/ui/page-BrUqin62.js', { headers: { 'Accept-Encoding': encodings } });
  const plain = await js('');
  assert.deepEqual([plain.text, plain.headers['content-encoding']], ['1;', undefined]);
  assert.equal(plain.headers['content-type'], 'text/javascript; charset=utf-8');
  assert.match(String(plain.headers['cache-control']), /immutable/);
  const packed = await js('gzip, deflate, br');
  assert.deepEqual([packed.text, packed.headers['content-encoding']], ['br', 'br']);
  assert.equal((await js('gzip, br;q=0')).text, '1;');
  const index = await call(api, '/', { headers: { ...browser, 'Accept-Encoding': 'gzip' } });
  assert.equal(index.headers['content-encoding'], 'gzip');
  assert.equal(index.headers['cache-control'], 'no-cache');
  const again = { ...browser, 'Accept-Encoding': 'gzip', 'If-None-Match': String(index.headers.etag) };
  const unchanged = await call(api, '/', { headers: again });
  assert.deepEqual([unchanged.status, unchanged.text], [304, '']);
  const other = await call(api, '/', { headers: { ...again, 'Accept-Encoding': '' } });
  assert.equal(other.status, 200);
});

test('HEAD has the headers only', async t => {
  const api = await serve(t, cluster(), { readPage });
  const head = await call(api, '/', { method: 'HEAD', headers: browser });
  assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', '15']);
});

const noFiles = [
  '/ui/',
  '/ui/secret',
  '/ui/index.html',
  '/ui/../index.html',
  '/ui/%2e%2e%2fpackage.json',
  '/ui/page-BrUqin62.js.br',
  '/ui/page-AAAAAAAA.js',
  '/ui/page-BrUqin62.js/x',
  `/ui/page-${'a'.repeat(500)}.js`,
  '/ui/page-BrUqin62\0.js',
];
test('nothing but the files of the page is below /ui/', async t => {
  const api = await serve(t, cluster(), { readPage });
  for (const path of noFiles) {
    const answer = await call(api, encodeURI(path).replaceAll('%25', '%'));
    assert.equal(answer.status, 404, path);
    assert.doesNotMatch(answer.text, /hidden|doctype/);
  }
  assert.equal((await call(api, '/ui/page-BrUqin62.js', { method: 'POST' })).status, 404);
});

test('a requester whose page was not built says so', async t => {
  const api = await serve(t, cluster(), { readPage: async () => undefined });
  const answer = await call(api, '/', { headers: browser });
  assert.equal(answer.status, 503);
  assert.match(answer.text, /its page was not built/);
});

test('the files that were built are found', async t => {
  const html = await readPageFile('index.html');
  if (!html) return t.skip('the page was not built');
  const text = Buffer.from(html).toString();
  const names = [...text.matchAll(/\/ui\/([^"]+)/g)].map(([, name = '']) => name);
  assert.ok(names.length >= 2, text);
  const api = await serve(t, cluster());
  for (const name of names) {
    const answer = await call(api, `/ui/${name}`, { headers: { 'Accept-Encoding': 'gzip' } });
    assert.equal(answer.status, 200, name);
  }
  const packed = await readPageFile('index.html.gz');
  assert.ok(packed && gunzipSync(packed).equals(Buffer.from(html)));
});

const foreign: [what: string, headers: Record<string, string>][] = [
  ['of another site', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'cors' }],
  ['of another port', { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'no-cors' }],
  ['that sends a form', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' }],
  ['in an older browser', { Origin: 'https://evil.example' }],
  ['without an origin', { Origin: 'null' }],
  ['whose name begins alike', { Origin: 'http://127.0.0.1.evil.example' }],
];
for (const [what, headers] of foreign) {
  test(`a page ${what} changes nothing, even with a token`, async t => {
    const directory = cluster();
    const api = await serve(t, directory);
    const answer = await put(api, 'node-1', { Action: 'approve' }, { headers });
    assert.equal(answer.status, 403, answer.text);
    assert.match(answer.text, /a page of another origin/);
    assert.equal(directory.get('node-1').Membership, 'PENDING');
  });
}

test('a page of another origin reads nothing, but may link to what only reads', async t => {
  const api = await serve(t, cluster());
  const nodes = '/api/v1/orchestrator/nodes';
  const site = { 'Sec-Fetch-Site': 'cross-site' };
  const embedded = await call(api, nodes, { headers: { ...site, 'Sec-Fetch-Mode': 'no-cors' } });
  assert.equal(embedded.status, 403);
  const link = { ...site, 'Sec-Fetch-Mode': 'navigate' };
  for (const place of ['iframe', 'object', 'embed']) {
    const framed = await call(api, nodes, { headers: { ...link, 'Sec-Fetch-Dest': place } });
    assert.equal(framed.status, 403, `in ${place}`);
  }
  const linked = await call(api, nodes, { headers: { ...link, 'Sec-Fetch-Dest': 'document' } });
  assert.equal(linked.status, 200);
  assert.equal(linked.headers['cross-origin-resource-policy'], 'same-origin');
  assert.equal(linked.headers['access-control-allow-origin'], undefined);
  const events = await call(api, '/api/v1/orchestrator/events');
  const roll = await readRoll(t, api);
  for (const headers of [events.headers, roll.response.headers])
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
  const asked = await call(api, nodes, {
    method: 'OPTIONS',
    headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'PUT' },
    token: '',
  });
  assert.ok(asked.status >= 400);
  assert.equal(asked.headers['access-control-allow-origin'], undefined);
});

test("the requester's own page may change something, with a token", async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const own = { 'Sec-Fetch-Site': 'same-origin', Origin: `http://127.0.0.1:${api.port}` };
  const refused = await put(api, 'node-1', { Action: 'approve' }, { headers: own, token: tokens.reader });
  assert.equal(refused.status, 403);
  assert.match(refused.text, /operator reader may only read/);
  assert.equal((await put(api, 'node-1', { Action: 'approve' }, { headers: own })).status, 200);
  const older = { Origin: `http://127.0.0.1:${api.port}` };
  assert.equal((await put(api, 'node-2', { Action: 'approve' }, { headers: older })).status, 200);
});

test('a name that was bound to this machine gets no page', async t => {
  const api = await serve(t, cluster(), { readPage });
  const answer = await call(api, '/', { headers: { ...browser, Host: 'evil.example' } });
  assert.equal(answer.status, 403);
});
