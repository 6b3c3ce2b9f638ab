// Tests that a change is refused whose caller does not wait for it any more, by the clock of the requester alone.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { ApiClient } from '../../../agent/api/client.ts';
import { tokenSource } from '../../../agent/api/find-token.ts';
import { readRequesterTime, writeRequesterTime } from '../../../agent/protocol/caller-wait.ts';
import { refusal } from '../../api/answering-server.ts';
import { temporaryFolder } from '../../cli/program.ts';
import { makeAuthority, makeCertificate } from '../../support/certificates.ts';
import { defaultSettings } from '../../support/default-settings.ts';
import { tokens } from '../../support/fake-operators.ts';
import { call, cluster, put, serve } from './api-fixture.ts';

const change = { Action: 'approve' };
const decision = { Action: 'approve', Message: '', Actor: 'ada@desk' } as const;
const late = /^nothing was done: the request came after its caller had given up$/;

/** A clock that stands still until it is moved. */
function still() {
  const times = { monotonicMs: 5_000, wallMs: 1_000_000 };
  return { times, clock: { monotonic: () => times.monotonicMs, now: () => new Date(times.wallMs) } };
}

async function begin(t: TestContext) {
  const { times, clock } = still();
  const directory = cluster();
  const api = await serve(t, directory, { clock });
  const { headers } = await call(api, '/api/v1/auth');
  const time = String(headers['muster-requester-time']);
  const ask = (wait: string, from = time) =>
    put(api, 'node-1', change, {
      headers: { 'Muster-Requester-Time': from, 'Muster-Caller-Wait': wait },
    });
  return { times, directory, time, ask };
}

test('a change counts until its caller gives up, and a moment later nothing is done', async t => {
  for (const clock of ['monotonicMs', 'wallMs'] as const) {
    const { times, directory, ask } = await begin(t);
    times[clock] += 10_001;
    const refused = await ask('10000');
    assert.equal(refused.status, 503);
    assert.match(String(refused.json().Message), late);
    assert.equal(directory.get('node-1').Membership, 'PENDING');
    assert.equal((await ask('10001')).status, 200);
    assert.equal(directory.get('node-1').Membership, 'APPROVED');
  }
});

test('the time of another process says nothing, and what is no time is refused', async t => {
  const { times, time, ask } = await begin(t);
  const read = readRequesterTime(time) ?? assert.fail(time);
  times.monotonicMs += 60_000;
  for (const text of ['', 'x', `${time}/1`, time.replace('/', '/-')])
    assert.equal((await ask('1000', text)).status, 400, text);
  for (const wait of ['', '-1', '1e3', '1'.repeat(10)]) assert.equal((await ask(wait)).status, 400, wait);
  assert.equal((await ask('1000', writeRequesterTime({ ...read, instance: randomUUID() }))).status, 200);
});

for (const isTls of [false, true]) {
  test(`a command says how long it waits, ${isTls ? 'with' : 'without'} TLS`, async t => {
    const { times, clock } = still();
    const directory = cluster();
    const { tls, ca } = isTls ? await certificate(t) : {};
    const api = await serve(t, directory, { clock, tls });
    const { api: defaults, ...settings } = defaultSettings();
    const client = new ApiClient({
      ...{ host: '127.0.0.1', port: api.port, isTls, ca },
      tokens: tokenSource({ ...settings, api: { ...defaults, token: tokens.tester } }),
      deadlineMs: 20_000,
    });
    // The requester reads the token of each change. There it sleeps.
    const { operators } = directory;
    const check = operators.check.bind(operators);
    let sleptMs = 20_001;
    operators.check = (...given) => {
      times.monotonicMs += sleptMs;
      return check(...given);
    };
    const error = await refusal(client.decide('node-1', decision));
    assert.match(error.message, late);
    assert.equal(error.nothingDone, true);
    assert.equal(directory.get('node-1').Membership, 'PENDING');
    sleptMs = 0;
    await client.decide('node-1', decision);
    assert.equal(directory.get('node-1').Membership, 'APPROVED');
  });
}

async function certificate(t: TestContext) {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, 'ca');
  const { certFile, keyFile } = await makeCertificate(folder, authority, 'api', 'IP:127.0.0.1');
  const [cert = '', key = '', ca = ''] = await Promise.all(
    [certFile, keyFile, authority.certFile].map(path => readFile(path, 'utf8')),
  );
  return { tls: { cert, key, isOwnName: () => true }, ca: [ca] };
}
