// Runs `muster broker ca`, `rotate-ca` and `forget-ca`, and `muster store confirm`, against a real API over fake CAs.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { cluster, serve } from '../../requester/api/api-fixture.ts';
import { fakeCertificates, fakePins } from '../../support/fake-authorities.ts';
import { tokens } from '../../support/fake-operators.ts';
import { muster } from '../program.ts';

async function begin(t: TestContext, token = tokens.tester) {
  const directory = cluster();
  const api = await serve(t, directory);
  const run = (...args: string[]) =>
    muster(t, args, { env: { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: token } });
  return { directory, run };
}

test('a CA is replaced step by step, and the command says which is next', async t => {
  const { directory, run } = await begin(t);
  const before = await run('broker', 'ca');
  assert.deepEqual([before.code, before.stderr], [0, '']);
  assert.match(before.stdout, new RegExp(`^PIN +USE\n${fakePins.present} +present\n$`));
  directory.fakeAuthorities.missing = Array.from({ length: 12 }, (_, index) => `node-${index + 10}`);
  const rotated = await run('broker', 'rotate-ca');
  assert.match(
    rotated.stdout,
    /\n12 approved nodes do not trust the next CA yet: node-10, .*, node-19 and 2 more\.\nA node that runs .*\nGive programs that listen, .*: muster broker ca -o pem\nTo use it all the same: muster broker rotate-ca --force\n$/,
  );
  const forced = await run('broker', 'rotate-ca', '--force');
  assert.match(
    forced.stdout,
    new RegExp(`Then restart the requester .*\n.*muster agent trust ${fakePins.next}\n$`),
  );
  directory.fakeAuthorities.missing = [];
  assert.match(
    (await run('broker', 'ca')).stdout,
    /Every approved node trusts the next CA\.\nGive .*\nThen restart the requester/,
  );
  assert.equal((await run('broker', 'ca', '-o', 'pem')).stdout, fakeCertificates);
  assert.equal((await run('broker', 'forget-ca', fakePins.next)).stdout, 'Ok\n');
  assert.deepEqual(directory.fakeAuthorities.log, [
    'rotate false tester',
    'rotate true tester',
    `forget ${fakePins.next} tester`,
  ]);
  const json = JSON.parse((await run('broker', 'ca', '-o', 'json')).stdout);
  assert.deepEqual(json.Authorities, [{ Pin: fakePins.present, Use: 'present' }]);
});

test('a wrong pin, an unknown one and a token that only reads are refused', async t => {
  const { directory, run } = await begin(t);
  const wrong = await run('broker', 'forget-ca', '../operators');
  assert.deepEqual([wrong.code, wrong.stdout], [64, '']);
  assert.match(wrong.stderr, /"\.\.\/operators" is no pin of a CA\nHint: .*muster broker ca/);
  assert.equal((await run('broker', 'forget-ca', 'Z'.repeat(43))).code, 1);
  const trust = await run('agent', 'trust', 'short');
  assert.equal(trust.code, 64);
  const reader = await begin(t, tokens.reader);
  for (const args of [
    ['broker', 'rotate-ca'],
    ['broker', 'forget-ca', fakePins.present],
    ['store', 'confirm'],
  ])
    assert.equal((await reader.run(...args)).code, 77, args.join(' '));
  assert.deepEqual(directory.fakeAuthorities.log, []);
});

test('an older store is confirmed once', async t => {
  const { directory, run } = await begin(t);
  directory.isStoreOlder = true;
  const confirmed = await run('store', 'confirm');
  assert.deepEqual([confirmed.code, confirmed.stdout], [0, 'Ok\n']);
  assert.match(confirmed.stderr, /join codes of this store stay void/);
  const again = await run('store', 'confirm');
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.match(again.stderr, /nothing to confirm/);
});
