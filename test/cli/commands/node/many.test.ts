// Decides about many nodes as an operator does: the real program asks a real API over a fake directory.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { readNode } from '../../../../agent/api/answers.ts';
import { endNewCordons } from '../../../../agent/cli/commands/node/cordon-flags.ts';
import { operationPattern } from '../../../../agent/protocol/operation.ts';
import { MusterError } from '../../../../agent/system/errors.ts';
import { cluster, node, serve } from '../../../requester/api/api-fixture.ts';
import { record, requesterNode } from '../../../requester/samples.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { noTerminal, Terminal } from '../../completion/terminal.ts';
import { main, muster, start, temporaryFolder } from '../../program.ts';

/** Returns a function that runs `muster node …` with a token, against the API of this directory. */
async function operator(t: TestContext, directory: FakeDirectory) {
  const api = await serve(t, directory);
  const env = { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester };
  return (...args: string[]) => muster(t, ['node', ...args], { env });
}

/** Returns a directory with a rack of nodes that wait, one that is approved, and their requester. */
function rack(): FakeDirectory {
  const self = { ...requesterNode('node-0'), Labels: { rack: 'b7' } };
  const waiting = (id: string) => {
    const made = node(id, { labels: { rack: 'b7' }, silence: 1_000 });
    made.state.Membership = 'PENDING';
    made.state.Muster = { PublicKey: key };
    return made;
  };
  const approved = waiting('b7-3');
  approved.state.Membership = 'APPROVED';
  return new FakeDirectory(self, [
    { state: record('node-0', 'APPROVED', { Info: self }) },
    waiting('b7-1'),
    waiting('b7-2'),
    approved,
    { ...node('other'), silence: 40 * 24 * 3_600_000 },
  ]);
}
const key = 'UAHRCSAHMHN3GOH5FYVJ6H5GO5BZUKJ5Q6IDSXNBYNWTRMAYDSQWRN4I';

/** Returns a directory in which this many nodes, and three more, wait for approval. */
function crowd(count: number): FakeDirectory {
  const directory = cluster();
  for (let index = 0; index < count; index++)
    directory.nodes.set(`n-${index}`, { state: record(`n-${index}`, 'PENDING') });
  return directory;
}

const memberships = (directory: FakeDirectory) =>
  directory.list().map(({ Info, Membership }) => `${Info.NodeID} ${Membership}`);

const lacks = await noTerminal();
test('several ids get a line each, and what failed can be tried again by the command that is printed', async t => {
  const directory = rack();
  const approve = directory.approve.bind(directory);
  directory.approve = (id, ...more) =>
    id === 'b7-1' && directory.get(id).Membership === 'PENDING' && failures-- > 0
      ? Promise.reject(new MusterError('failed', 'the disk is full'))
      : approve(id, ...more);
  let failures = 1;
  const run = await operator(t, directory);
  const all = await run('approve', 'b7-2', 'nope', 'b7-3', 'b7', 'b7-1', 'b7-2', '-m', "it's fine");
  assert.deepEqual([all.code, all.stdout], [1, 'b7-2: approved\n'], all.stderr);
  const lines = all.stderr.split('\n');
  for (const line of ['Error: node not found: nope', 'Error: node b7-3 already approved'])
    assert.ok(lines.includes(line), all.stderr);
  assert.match(all.stderr, /^Error: node not found: b7\nHint: {2}did you mean b7-1, b7-2 or b7-3\?/m);
  assert.match(all.stderr, /^Error: 4 of 5 nodes were not approved\n {2}2 × node not found: ID\n/m);
  // What would be refused again is not in it.
  const again = `muster node approve --message='it'\\''s fine' b7-1`;
  assert.ok(lines.includes(`Hint:  to try the others again: ${again}`), all.stderr);
  assert.equal((await run('approve', "--message=it's fine", 'b7-1')).stdout, 'Ok\n');
  assert.equal(directory.get('b7-1').Muster.Decision?.Reason, "it's fine");
  const letters = await run('approve', 'o', 'd');
  assert.match(letters.stderr, /^ {2}2 × node not found: ID\n$/m);
});

test('on a terminal the printed command stays on one line, so that it can be copied', {
  skip: lacks ?? false,
}, async t => {
  const directory = crowd(40);
  directory.approve = () => Promise.reject(new MusterError('failed', 'the disk is full'));
  const api = await serve(t, directory);
  const command = `${process.execPath} ${main} node approve --filter-approval pending --yes`;
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: await temporaryFolder(t),
    MUSTER_API_PORT: String(api.port),
    MUSTER_API_TOKEN: tokens.tester,
  };
  const terminal = new Terminal(t, `stty cols 80 rows 24; ${command}`, { cwd: '/', env });
  const line = await terminal.shows(/Hint: +to try these again:\s+(muster node approve [^\r\n]*)\r?\n/);
  assert.equal(line.split(' ').length, 3 + directory.list().length - 1);
});

test('a drain that fails is told as such, and only what it has cordoned itself is taken back', async t => {
  const directory = rack();
  const run = await operator(t, directory);
  await directory.reject('b7-2', { reason: '', actor: 'a test' });
  await directory.reject('b7-3', { reason: '', actor: 'a test' });
  const rejected = await run('drain', 'b7-2', 'b7-3');
  assert.equal(rejected.stderr.match(/^Hint: /gm)?.length, 1, 'one hint for both');
  await directory.approve('b7-2', { reason: '', actor: 'a test' });
  await run('cordon', 'b7-1', '-m', 'disk swap');
  const drained = await run('drain', 'b7-1', 'b7-2', 'nope', 'none');
  assert.match(drained.stderr, /^Error: 2 of 4 nodes were not drained$/m);
  assert.deepEqual(endNewCordons(targetsOf(directory, 'b7-3')), { path: 'node uncordon', ids: ['b7-3'] });
  assert.deepEqual(endNewCordons(targetsOf(directory, 'b7-1', 'b7-3')).ids, ['b7-3']);
});

const targetsOf = (directory: FakeDirectory, ...ids: string[]) =>
  ids.map(id => ({ id, node: readNode(JSON.parse(JSON.stringify(directory.get(id)))) }));

test('a selection decides about all that match, leaves out what needs no decision, and is undone by one command', async t => {
  const directory = rack();
  const run = await operator(t, directory);
  const approved = await run('approve', '--labels', 'rack=b7', '--yes');
  assert.deepEqual(
    [approved.code, approved.stdout.split('\n').sort()],
    [0, ['', 'b7-1: approved', 'b7-2: approved']],
  );
  assert.match(approved.stderr, /^Left out \(already approved\): b7-3$/m);
  assert.match(approved.stderr, /^Left out \(a requester\): node-0$/m);
  const rejected = await run('reject', '--labels', 'rack=b7', '--yes', '-o', 'json');
  const results = JSON.parse(rejected.stdout) as { NodeID: string; Result: string; Operation: string }[];
  assert.deepEqual(
    results.map(({ NodeID, Result }) => [NodeID, Result]),
    [
      ['b7-1', 'done'],
      ['b7-2', 'done'],
      ['b7-3', 'done'],
    ],
  );
  assert.equal(new Set(results.map(({ Operation }) => Operation)).size, 3, 'each is an operation of its own');
  for (const { Operation } of results) assert.match(Operation, operationPattern);
  const gone = await run('delete', '--silent-for', '30d', '--yes');
  assert.deepEqual([gone.code, gone.stdout], [0, 'other: deleted\n']);
  assert.deepEqual(memberships(directory), [
    'b7-1 REJECTED',
    'b7-2 REJECTED',
    'b7-3 REJECTED',
    'node-0 APPROVED',
  ]);
});

test('a node that came back after the selection was shown stays as it is', async t => {
  const directory = crowd(20);
  const remove = directory.delete.bind(directory);
  directory.delete = async (id, decision) => {
    const back = directory.nodes.get('n-7');
    if (back) back.health = 'HEALTHY';
    await remove(id, decision);
  };
  const run = await operator(t, directory);
  const { code, stderr } = await run('delete', '--filter-status=unknown', '--yes');
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^Error: node n-7 does not match the selection any more$/m);
  const left = directory.list().map(({ Info }) => Info.NodeID);
  assert.ok(left.includes('n-7') && !left.includes('n-8'), left.join());
});

test('a node that another operator decided about after the selection was shown stays as it is', async t => {
  const directory = crowd(20);
  const approve = directory.approve.bind(directory);
  directory.approve = async (id, decision) => {
    if (id === 'n-7' || id === 'n-8') await directory.reject(id, { reason: 'no', actor: 'ada' });
    await approve(id, decision);
  };
  const run = await operator(t, directory);
  const { code, stderr } = await run('approve', '--filter-approval=pending', '--yes');
  assert.equal(code, 1);
  assert.match(stderr, /^Error: node n-7 was rejected by ada meanwhile$/m);
  assert.match(
    stderr,
    /^Error: 2 of 23 nodes were not approved\n {2}2 × node ID was rejected by ada meanwhile$/m,
  );
  assert.doesNotMatch(stderr, /try/);
  const rejected = directory.list().filter(({ Membership }) => Membership === 'REJECTED');
  assert.deepEqual(
    rejected.map(({ Info }) => Info.NodeID),
    ['n-7', 'n-8'],
  );
  // Who names a node decides about it as it is.
  directory.approve = approve;
  assert.equal((await run('approve', 'n-7')).stdout, 'Ok\n');
});

test('a node that was heard after it was shown as silent is not deleted', async t => {
  const directory = rack();
  const remove = directory.delete.bind(directory);
  directory.delete = async (id, decision) => {
    const found = directory.nodes.get(id) ?? assert.fail();
    found.silence = 20;
    await remove(id, decision);
  };
  const run = await operator(t, directory);
  const { code, stderr } = await run('delete', '--silent-for=30d', '--yes');
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^Error: the node was not deleted\n {2}node other was heard within the last 30 days\n$/m,
  );
  assert.match(
    stderr,
    /^Error: node other was heard within the last 30 days\nHint: .* name the node alone: other$/m,
  );
  assert.equal((await run('delete', 'other')).stdout, 'Ok\n');
});

test('on a terminal a selection is shown, and carried out only after y', {
  skip: lacks ?? false,
}, async t => {
  const directory = crowd(40);
  const api = await serve(t, directory);
  const command = `${process.execPath} ${main} node approve --filter-approval pending`;
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: await temporaryFolder(t),
    MUSTER_API_PORT: String(api.port),
    MUSTER_API_TOKEN: tokens.tester,
  };
  const no = new Terminal(t, `stty cols 80 rows 24; ${command}`, { cwd: '/', env });
  await no.shows(
    /ID +TYPE +APPROVAL +STATUS[\s\S]*n-25 [\s\S]*… and 23 more\. All: muster node list --filter-approval=pending/,
  );
  await no.shows(/Approve these 43 nodes\? \[y\/N\] $/);
  no.type('\n');
  await no.shows(/nothing was done, because the answer was not y/);
  assert.equal(memberships(directory).filter(text => text.endsWith('PENDING')).length, 43);
  const interrupted = new Terminal(t, command, { cwd: '/', env });
  await interrupted.shows(/\[y\/N\] $/);
  interrupted.type('\x03');
  await interrupted.shows(/Nothing was done\.\r?\n/);
  assert.equal(memberships(directory).filter(text => text.endsWith('PENDING')).length, 43);
  const yes = new Terminal(t, command, { cwd: '/', env });
  await yes.shows(/\[y\/N\] $/);
  yes.type('y\n');
  await yes.shows(/n-39: approved[\s\S]*To take it back: muster node reject n-0 n-1 /);
  assert.equal(memberships(directory).filter(text => text.endsWith('APPROVED')).length, 44);
});

const refused: [args: string[], code: number, stderr: RegExp][] = [
  [
    ['approve'],
    64,
    /^Error: node approve needs the whole ids of nodes, or a selection of nodes\nHint: .*--silent-for/,
  ],
  [
    ['approve', 'b7-1', '--labels', 'rack=b7', '--condition=GpuMissing'],
    64,
    /the id b7-1 and the selection by --labels, --condition cannot/,
  ],
  [
    ['approve', '--labels', 'rack=b7'],
    64,
    /^Error: node approve with a selection needs --yes where nobody can be asked/,
  ],
  [
    ['drain', 'b7-1', '--for=1s', '--wait', '--deadline', '30m'],
    64,
    /^Error: --for 1s and --deadline 30m exclude each other: the cordon would end before the deadline\n/,
  ],
  // The variable of a script is empty.
  [['delete', '--labels', '', '--yes'], 64, /^Error: --labels is empty, which would mean every node/],
  [['delete', '--labels', 'rack=b7', '--labels', ' ', '--yes'], 64, /^Error: --labels is empty/],
  [
    ['approve', 'b7-1', 'b7-2', '--fingerprint', 'x'],
    64,
    /^Error: --fingerprint and 2 ids cannot be given together/,
  ],
  [
    ['approve', '--labels=x', '--fingerprint', 'x'],
    64,
    /^Error: --fingerprint and a selection cannot be given together/,
  ],
  [['approve', '--labels', 'rack=b8', '--yes'], 1, /^Error: no node matches the selection/],
  [
    ['approve', '--labels', 'rack=b7', '--silent-for=1d', '--yes'],
    1,
    /^Error: no node matches the selection/,
  ],
  [
    ['approve', '--filter-approval=approved', '--yes'],
    1,
    /^Error: no node is left that could be approved\n {2}Left out \(already approved\): b7-3, other\n {2}Left out \(a requester\): node-0\n/,
  ],
];
test('a selection that cannot be meant so decides nothing', async t => {
  const directory = rack();
  const run = await operator(t, directory);
  const before = memberships(directory);
  await Promise.all(
    refused.map(async ([args, code, stderr]) => {
      const outcome = await run(...args);
      assert.deepEqual([outcome.code, outcome.stdout], [code, ''], args.join(' '));
      assert.match(outcome.stderr, stderr);
    }),
  );
  assert.deepEqual(memberships(directory), before);
});

test('one id is answered with Ok, and with a result for a script', async t => {
  const run = await operator(t, rack());
  assert.equal((await run('approve', 'b7-1', 'b7-1')).stdout, 'Ok\n');
  assert.match(
    (await run('approve', 'b7-2', '-o', 'json')).stdout,
    /"NodeID": "b7-2",\n {4}"Result": "done"/,
  );
  const failed = await run('approve', 'b7-2', '-o', 'json');
  const [result] = JSON.parse(failed.stdout);
  assert.deepEqual([failed.code, result.Result, result.Code], [1, 'failed', 'conflict']);
  assert.equal(failed.stderr, 'Error: node b7-2 already approved\n');
});

test('a server that does not know a filter cannot make a command decide about every node', async t => {
  const directory = rack();
  const api = await serve(t, directory);
  // It leaves out the parameter, as an older requester or an orchestrator of Bacalhau does.
  const forgetful = createServer(async (request, response) => {
    const url = (request.url ?? '').replace(/silent-for=[^&]*/, '');
    const { authorization = '' } = request.headers;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = await fetch(`${api.url}${url}`, {
      method: request.method ?? 'GET',
      headers: authorization ? { authorization } : {},
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
    });
    response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(await answer.text());
  }).listen(0, '127.0.0.1');
  await once(forgetful, 'listening');
  t.after(() => forgetful.close());
  const { port } = forgetful.address() as { port: number };
  const { stdout } = await muster(t, [
    'node',
    'list',
    '--silent-for=30d',
    '--hide-header',
    `--api-port=${port}`,
  ]);
  assert.match(stdout, /^other .*\n$/);
});

test('when the requester dies, no other node is tried, and what may stand is told from what does not', async t => {
  const directory = crowd(60);
  const api = await serve(t, directory);
  const approve = directory.approve.bind(directory);
  let asked = 0;
  directory.approve = async (...args) => {
    if (++asked <= 20) return approve(...args);
    void api.stop();
    await new Promise(() => undefined);
  };
  const env = { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester };
  const args = ['node', 'approve', '--filter-approval=pending', '--yes', '-o', 'json'];
  const { code, stdout, stderr } = await muster(t, args, { env });
  const results = JSON.parse(stdout) as { Result: string; Operation?: string; Hint?: string }[];
  const of = (wanted: string) => results.filter(({ Result }) => Result === wanted);
  assert.deepEqual([code, of('done').length], [69, 20], stderr);
  assert.ok(of('unknown').length > 0 && of('unknown').length <= 16, stdout);
  for (const { Operation, Hint } of of('unknown'))
    assert.equal(Hint, `find out with: muster explain ${Operation}`);
  assert.ok(of('not tried').length >= 60 - 20 - 16 - 16, stdout);
  assert.match(stderr, /^Error: 43 of 63 nodes were not approved; \d+ of them were not tried$/m);
  // Each has an operation of its own, and all have one reason.
  assert.match(stderr, /^ {2}\d+ × .*\s+node ID may\s+stand or not \(operation OPERATION\)$/m);
  assert.doesNotMatch(stderr, /more reasons/);
});

test('Ctrl-C ends after the decisions that are under way, and says what was done and how to go on', async t => {
  const directory = crowd(40);
  const api = await serve(t, directory);
  const held = Promise.withResolvers<void>();
  let asked = 0;
  const approve = directory.approve.bind(directory);
  directory.approve = async (...args) => {
    asked++;
    await held.promise;
    return approve(...args);
  };
  const { child, outcome, ended } = await start(
    t,
    ['node', 'approve', '--filter-approval=pending', '--yes', '-mlate'],
    { env: { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester } },
  );
  await eventually('decisions are under way', () => asked === 16);
  child.kill('SIGINT');
  await eventually('the command says that it stops', () => outcome.stderr.includes('Stopping'));
  held.resolve();
  await ended;
  assert.equal(child.signalCode, 'SIGINT');
  const done = outcome.stdout.trimEnd().split('\n');
  assert.equal(done.length, 16);
  assert.match(outcome.stderr, /^Error: 27 of 43 nodes were not approved; 27 of them were not tried$/m);
  const [, rest = ''] =
    /^Hint: {2}to try these again: muster node approve --message=late (.*)$/m.exec(outcome.stderr) ?? [];
  assert.deepEqual(
    [...rest.split(' '), ...done.map(line => line.replace(/: approved$/, ''))].sort(),
    directory
      .list()
      .flatMap(({ Info }) => (Info.NodeType === 'Requester' ? [] : Info.NodeID))
      .sort(),
  );
});
