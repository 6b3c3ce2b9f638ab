// Runs `muster store rebuild` as an operator does: the real program asks a real API over a fake directory.
import assert from 'node:assert/strict';
import { hostname, userInfo } from 'node:os';
import { type TestContext, test } from 'node:test';
import type { LostNode } from '../../../../agent/protocol/http.ts';
import { call, cluster, serve } from '../../../requester/api/api-fixture.ts';
import { at } from '../../../requester/samples.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { muster } from '../../program.ts';

const lost = (NodeID: string, Membership: LostNode['Membership'], Reason: string): LostNode => ({
  NodeID,
  Membership,
  At: at,
  Actor: 'ann@desk',
  Reason,
});

async function begin(t: TestContext) {
  const directory = cluster();
  directory.lost.push(
    lost('gone', '', 'sold'),
    lost('node-1', 'APPROVED', 'ours'),
    lost('node-2', 'REJECTED', 'a\u001b[31mb'),
  );
  const api = await serve(t, directory);
  const run = (...args: string[]) =>
    muster(t, ['store', 'rebuild', ...args], {
      env: { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester },
    });
  return { directory, api, run };
}

test('an operator lists what the store lost, and has it written again', async t => {
  const { directory, run } = await begin(t);
  const listed = await run('--dry-run');
  assert.deepEqual([listed.code, listed.stderr], [0, '']);
  assert.match(
    listed.stdout,
    /^ID +APPROVAL +SINCE +BY +REASON\ngone +DELETED +\S+Z +ann@desk +sold\nnode-1 +APPROVED/,
  );
  assert.ok(!listed.stdout.includes('\u001b'));
  assert.deepEqual(directory.rebuilt, [], 'nothing was written');
  assert.deepEqual(JSON.parse((await run('--dry-run', '-o', 'json')).stdout), directory.lost);
  const text = 'gone is DELETED again\nnode-1 is APPROVED again\nnode-2 is REJECTED again\n';
  const stderr =
    'Labels and cordons are back too, as far as the events tell them; see: muster node describe ID\n';
  assert.deepEqual(await run(), { code: 0, stderr, stdout: text });
  const operator = `tester ${userInfo().username}@${hostname()}`;
  assert.deepEqual(directory.rebuilt, [`gone ${operator}`, `node-1 ${operator}`, `node-2 ${operator}`]);
  const again = await run();
  assert.deepEqual([again.code, again.stdout.startsWith('Nothing is missing')], [0, true]);
  assert.equal((await run('-o', 'json')).stdout, '[]\n');
});

test('an operator has the record of one node written, and no other', async t => {
  const { directory, run } = await begin(t);
  assert.match((await run('node-2', '--dry-run')).stdout, /^ID .*\nnode-2 +REJECTED [^\n]*\n$/);
  assert.equal((await run('node-2')).stdout, 'node-2 is REJECTED again\n');
  assert.deepEqual(directory.rebuilt, [`node-2 tester ${userInfo().username}@${hostname()}`]);
  // The beginning of an id is no id.
  for (const id of ['node-2', 'node']) {
    const { code, stderr } = await run(id);
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`^Error: +the store did not lose a record of node ${id}\\nHint: .*--dry-run\\n$`),
    );
  }
});

test('a record that cannot be written does not stop the others, and the exit code is 1', async t => {
  const { directory, run } = await begin(t);
  directory.unwritable.add('node-1');
  const { code, stdout, stderr } = await run();
  assert.deepEqual([code, stdout], [1, 'gone is DELETED again\nnode-2 is REJECTED again\n']);
  assert.match(
    stderr,
    /node-1: node-1 cannot be written\nLabels and [^\n]*\nError: +1 of 3 records were not written\nHint:/,
  );
  const json = await run('-o', 'json');
  assert.equal(json.code, 1);
  const left = { ...lost('node-1', 'APPROVED', 'ours'), Error: 'node-1 cannot be written' };
  assert.deepEqual(JSON.parse(json.stdout), [left]);
});

test('the API writes only a record that is lost, and reads the body strictly', async t => {
  const { directory, api } = await begin(t);
  const put = (id: string, body: string) =>
    call(api, `/api/v1/orchestrator/store/lost/${id}`, { method: 'PUT', body });
  assert.equal((await put('node-1', '{"Action":"approve"}')).status, 400);
  assert.equal((await put('node-1', 'x'.repeat(70_000))).status, 413);
  assert.equal((await put('node-3', '{"Action":"rebuild"}')).status, 404);
  assert.equal((await put('no.id', '{"Action":"rebuild"}')).status, 404);
  assert.deepEqual(directory.rebuilt, []);
  assert.equal((await put('node-1', '{"Action":"rebuild"}')).text, '{"Success":true}\n');
  assert.deepEqual(directory.rebuilt, ['node-1 tester']);
});
