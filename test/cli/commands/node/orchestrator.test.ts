// Runs `muster node …` against orchestrators of Bacalhau: what is printed, and the exit codes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApiPeer } from '../../../support/bacalhau/api-peer.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { muster } from '../../program.ts';

let older: ApiPeer;
let newer: ApiPeer;
before(async () => {
  const ids = ['n-1', 'n-2', 'n-3'];
  older = await ApiPeer.start('1.4.0', ids);
  newer = await ApiPeer.start('1.9.3', ids);
  newer.set('n-3', { heardSecondsAgo: 7_200 });
});
after(() => {
  older.release();
  newer.release();
});

const at = (peer: ApiPeer) => ['--api-port', String(peer.port)];

test('the list shows what each release tells, and a dash for what it does not', async t => {
  const run = (peer: ApiPeer, ...args: string[]) => muster(t, ['node', 'list', ...at(peer), ...args]);
  const [old, oldWide, now, nowWide] = await Promise.all([
    run(older),
    run(older, '-o', 'wide'),
    run(newer),
    run(newer, '-o', 'wide'),
  ]);
  assert.equal(
    old.stdout,
    `ID            TYPE       APPROVAL  STATUS
orchestrator  Requester  APPROVED  -
n-1           Compute    PENDING   CONNECTED
n-2           Compute    PENDING   CONNECTED
n-3           Compute    PENDING   CONNECTED
`,
  );
  assert.equal(
    now.stdout,
    `ID            TYPE       APPROVAL  STATUS        NOTE
orchestrator  Requester  APPROVED  CONNECTED     -
n-1           Compute    PENDING   CONNECTED     -
n-2           Compute    PENDING   CONNECTED     -
n-3           Compute    PENDING   DISCONNECTED  silent for 2h
`,
  );
  const cellsOf = (text: string, id: string) => {
    const lines = text.split('\n').map(line => line.split(/ {2,}/));
    const cells = lines.find(([first]) => first === id) ?? [];
    return Object.fromEntries((lines[0] ?? []).map((title, index) => [title, cells[index]]));
  };
  const told = { CPU: '1.6 / 1.6', RUNNING: '1', ENGINES: 'docker wasm', FINGERPRINT: '-', HOST: '-' };
  for (const [text, id, more] of [
    [oldWide.stdout, 'n-3', { VERSION: '-', 'LAST HEARD': '-', NOTE: '-' }],
    [nowWide.stdout, 'n-3', { VERSION: 'v1.9.3', 'LAST HEARD': '2h ago', NOTE: 'silent for 2h' }],
  ] as const) {
    const cells = cellsOf(text, id);
    for (const [title, cell] of Object.entries({ ...told, ...more })) assert.equal(cells[title], cell, title);
  }
});

test('a node with an id that muster does not allow hides no other, and can be decided about', async t => {
  const peer = await ApiPeer.start('1.9.3', ['n-1', 'a=b', 'rack.1', 'x/y']);
  t.after(() => peer.release());
  const run = (...args: string[]) => muster(t, ['node', ...args, ...at(peer)]);
  const [list, described, approved, slash] = await Promise.all([
    run('list'),
    run('describe', 'a=b'),
    run('approve', 'rack.1'),
    run('approve', 'x/y'),
  ]);
  assert.deepEqual(
    list.stdout
      .split('\n')
      .flatMap(line => line.split(' ')[0] ?? [])
      .sort(),
    ['', 'ID', 'a=b', 'n-1', 'orchestrator', 'rack.1', 'x/y'],
    list.stderr,
  );
  assert.match(described.stdout, /^a=b\n {2}type +Compute\n/);
  assert.equal(approved.stdout, 'Ok\n', approved.stderr);
  assert.match(slash.stderr, /^Error: node not found: x\/y\n/);
});

test('describe shows ages, versions and executions as far as they are known', async t => {
  const [old, now] = await Promise.all(
    [older, newer].map(peer => muster(t, ['node', 'describe', 'n-3', ...at(peer)])),
  );
  assert.match(old?.stdout ?? '', /^ {2}status +CONNECTED$/m);
  assert.doesNotMatch(old?.stdout ?? '', /version|never|0001/);
  assert.match(now?.stdout ?? '', /^ {2}status +DISCONNECTED, last heard 2 h ago$/m);
  assert.match(now?.stdout ?? '', /^ {2}version +Bacalhau v1\.9\.3$/m);
  assert.match(now?.stdout ?? '', /^ {2}running +1\n {2}waiting +0$/m);
});

test('a decision is Ok once, then a sentence and exit code 1; a reason that is lost is told', async t => {
  for (const peer of [older, newer]) {
    const run = (...args: string[]) => muster(t, ['node', ...args, ...at(peer)]);
    const version = peer === older ? 'v1.4.0' : 'v1.9.3';
    const lost = `Warning: Bacalhau ${version} keeps no reason of a decision\n`;
    assert.deepEqual(await run('approve', 'n-1', '-m', 'ours'), { code: 0, stdout: 'Ok\n', stderr: lost });
    assert.deepEqual(await run('approve', 'n-1'), {
      code: 1,
      stdout: '',
      stderr: 'Error: node n-1 already approved\n',
    });
    const pruned = await run('prune', '--silent-for', '30d', '--yes');
    assert.match(pruned.stderr, /which cannot forget nodes\nHint: +muster node delete removes them\n$/);
    assert.deepEqual(await run('cordon', '--filter-approval', 'pending', '--yes'), {
      code: 1,
      stdout: '',
      stderr: `Error: http://127.0.0.1:${peer.port} is an orchestrator of Bacalhau ${version}, which cannot cordon nodes
Hint:  to keep work away from a node, reject it, and approve it later
`,
    });
  }
});

test('explain tells what is known, and that no events are', async t => {
  const { code, stdout } = await muster(t, ['node', 'explain', 'n-2', ...at(newer)]);
  assert.equal(code, 0);
  assert.match(stdout, /^n-2 is PENDING and CONNECTED$/m);
  assert.match(
    stdout.replace(/\n +/g, ' '),
    /they cannot be read: .* is an orchestrator of Bacalhau v1\.9\.3, which keeps no events/,
  );
});

test("an operator's token is not shown to an orchestrator, and a decision without it has to be meant", async t => {
  const env = { MUSTER_API_TOKEN: tokens.tester };
  const refused = await muster(t, ['node', 'reject', 'n-2', ...at(newer)], { env });
  assert.equal(refused.code, 77);
  assert.match(
    refused.stderr,
    /^Hint: +it says that it is .* Bacalhau v1\.9\.3, .*--api-token-file \/dev\/null$/m,
  );
  assert.equal(newer.membership('n-2'), 'PENDING');
  const meant = await muster(t, ['node', 'reject', 'n-2', '--api-token-file', '/dev/null', ...at(newer)]);
  assert.deepEqual(meant, { code: 0, stdout: 'Ok\n', stderr: '' });
  assert.deepEqual(
    newer.asked.filter(text => text.endsWith('with a token')),
    [],
  );
});
