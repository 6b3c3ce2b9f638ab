// Tests the server of an agent's figures: what it answers, and what it refuses.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { serveMetrics } from '../../agent/roles/metrics-server.ts';
import { silentLog } from '../../agent/system/log.ts';

async function serve(t: TestContext) {
  const metrics = () => [{ type: 'gauge' as const, name: 'muster_x', help: 'X.', samples: [{ value: 1 }] }];
  const server = await serveMetrics({ host: '127.0.0.1', port: 0, log: silentLog, metrics });
  t.after(() => server.stop());
  return server;
}

const ask = (url: string, options: { method?: string; headers?: Record<string, string> } = {}) =>
  new Promise<number | undefined>((resolve, reject) => {
    const sent = request(url, { ...options, agent: false }, response => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('error', reject).end();
  });

test('it answers the figures, and nothing else', async t => {
  const { url } = await serve(t);
  const response = await fetch(url, { headers: { connection: 'close' } });
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(await response.text(), /^muster_x 1$/m);
  assert.equal(await ask(new URL('/', url).href), 404);
  assert.equal(await ask(url, { method: 'POST' }), 405);
});

test('on the loopback it refuses a name of another machine, which a web page may have made up', async t => {
  const { url } = await serve(t);
  assert.equal(await ask(url, { headers: { host: 'evil.example' } }), 403);
  assert.equal(await ask(url, { headers: { host: 'localhost:9464' } }), 200);
});

test('a port that is taken is named', async t => {
  const port = Number(new URL((await serve(t)).url).port);
  await assert.rejects(serveMetrics({ host: '127.0.0.1', port, log: silentLog, metrics: () => [] }), {
    code: 'in_use',
    message: `port ${port} on 127.0.0.1 is in use by another program (metrics.port)`,
  });
});
