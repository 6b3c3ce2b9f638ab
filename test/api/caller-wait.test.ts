// Tests that a command says how long it waits, so that a requester that slept does not carry out what was given up.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { ApiClient } from '../../agent/api/client.ts';
import { tokenSource } from '../../agent/api/find-token.ts';
import { temporaryFolder } from '../cli/program.ts';
import { cluster, serve } from '../requester/api/api-fixture.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { tokens } from '../support/fake-operators.ts';
import { refusal } from './answering-server.ts';

const decision = { Action: 'approve', Message: '', Actor: 'ada@desk' } as const;
const late = /^nothing was done: the request came after its caller had given up$/;

for (const isTls of [false, true]) {
  test(`a command says how long it waits, ${isTls ? 'with' : 'without'} TLS`, async t => {
    let nowMs = 1_000_000;
    const clock = { monotonic: () => nowMs, now: () => new Date(nowMs) };
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
      nowMs += sleptMs;
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
