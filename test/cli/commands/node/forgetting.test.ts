// Forgets nodes and brings them back as an operator does: the real program asks a real API over a fake directory.
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readNode } from '../../../../agent/api/answers.ts';
import { goneTable } from '../../../../agent/cli/commands/node/gone-table.ts';
import { formerRows } from '../../../../agent/output/node-text/former-text.ts';
import type { GoneNode } from '../../../../agent/protocol/tombstone.ts';
import { shortTombstone } from '../../../../agent/requester/roll/tombstones.ts';
import { MusterError } from '../../../../agent/system/errors.ts';
import { node, serve } from '../../../requester/api/api-fixture.ts';
import { at, record, requesterNode } from '../../../requester/samples.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { noTerminal, Terminal } from '../../completion/terminal.ts';
import { main, muster, temporaryFolder } from '../../program.ts';

const dayMs = 86_400_000;
const silent = { silence: 40 * dayMs, health: 'UNKNOWN' } as const;

/** Returns a directory with nodes that were silent for long, and some that must not be forgotten. */
function cellar(...ids: readonly string[]): FakeDirectory {
  const self = requesterNode('node-0');
  const rejected = node('rejected', silent);
  rejected.state.Membership = 'REJECTED';
  return new FakeDirectory(self, [
    { ...silent, state: record('node-0', 'APPROVED', { Info: self }) },
    rejected,
    node('healthy', { ...silent, health: 'HEALTHY' }),
    { ...node('lately'), silence: dayMs },
    ...ids.map(id => node(id, silent)),
  ]);
}

/** Returns a function that runs `muster node …` with a token, against the API of this directory. */
async function operator(t: TestContext, directory: FakeDirectory) {
  const api = await serve(t, directory);
  const env = { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester };
  const run = (...args: string[]) => muster(t, ['node', ...args], { env });
  return Object.assign(run, { env });
}

const prune = ['prune', '--silent-for', '30d'];
const idsOf = (directory: FakeDirectory) => directory.list().map(({ Info }) => Info.NodeID);
const leftOut = [
  'Left out (a requester): node-0',
  'Left out (healthy): healthy',
  'Left out (rejected, so only node delete removes it): rejected',
];
const others = ['healthy', 'lately', 'node-0', 'rejected'];

test('a dry run lists who would be forgotten, also for a script, and forgets nobody', async t => {
  const directory = cellar('old-1', 'old-2');
  const run = await operator(t, directory);
  const { code, stdout, stderr } = await run(...prune, '--dry-run');
  assert.deepEqual(
    [code, stdout.split('\n').map(line => line.split(' ')[0])],
    [0, ['ID', 'old-1', 'old-2', '']],
    stderr,
  );
  assert.deepEqual(stderr.trimEnd().split('\n').sort(), [
    '2 would be forgotten. Nothing was done.',
    ...leftOut,
  ]);
  const script = await run(...prune, '--dry-run', '-o', 'json');
  const ids = (JSON.parse(script.stdout) as { Info: { NodeID: string } }[]).map(({ Info }) => Info.NodeID);
  assert.deepEqual([script.code, ids], [0, ['old-1', 'old-2']]);
  assert.deepEqual(idsOf(directory), [...others, 'old-1', 'old-2'].sort());
});

test('a prune that cannot be meant so, or finds nobody, forgets nobody', async t => {
  const directory = cellar('old-1');
  const run = await operator(t, directory);
  const rows: [args: string[], code: number, stderr: RegExp][] = [
    [
      ['prune', '--yes'],
      64,
      /^Error: node prune needs --silent-for, .*\nHint: {2}for example: muster node prune /,
    ],
    [prune, 64, /^Error: node prune with a selection needs --yes where nobody can be asked\nHint: /],
    [['prune', '--silent-for', '100d', '--yes'], 1, /^Error: no node matches the selection\n/],
    [['prune', '--silent-for', '100d', '--dry-run'], 1, /^Error: no node matches the selection\n/],
    [
      [...prune, '--filter-approval=rejected', '--yes'],
      1,
      /^Error: no node is left that could be forgotten\n {2}Left out \(rejected/,
    ],
    [[...prune, 'old-1', '--yes'], 64, /^Error: .*old-1/],
  ];
  await Promise.all(
    rows.map(async ([args, code, stderr]) => {
      const outcome = await run(...args);
      assert.deepEqual([outcome.code, outcome.stdout], [code, ''], args.join(' '));
      assert.match(outcome.stderr, stderr);
    }),
  );
  assert.equal(directory.gone.size, 0);
});

test('what is forgotten is listed, and brought back by its time or its ids, with a result for a script', async t => {
  const directory = cellar('old-1', 'old-2', 'old-3');
  const run = await operator(t, directory);
  const pruned = await run(...prune, '--yes', '-m', 'sold', '-o', 'json');
  const results = JSON.parse(pruned.stdout) as { NodeID: string; Result: string }[];
  assert.deepEqual(
    [pruned.code, results.map(({ NodeID, Result }) => `${NodeID} ${Result}`)],
    [0, ['old-1 done', 'old-2 done', 'old-3 done']],
    pruned.stderr,
  );
  assert.deepEqual(pruned.stderr.trimEnd().split('\n').sort(), leftOut);
  assert.deepEqual(idsOf(directory), others);
  const listed = await run('list', '--deleted');
  assert.match(listed.stdout, /^ID +WAS +GONE +LAST HEARD +BY +REASON\nold-1 +APPROVED +forgotten .* sold\n/);
  const one = await run('undelete', 'old-2');
  assert.deepEqual([one.code, one.stdout, one.stderr], [0, 'Ok\n', '']);
  const all = await run('undelete', '--deleted-since', '10m', '--yes', '-m', 'not sold');
  assert.deepEqual(
    [all.code, all.stdout.split('\n').sort()],
    [0, ['', 'old-1: brought back', 'old-3: brought back']],
    all.stderr,
  );
  assert.deepEqual(directory.get('old-3').Muster.Former?.Forgotten, true);
});

test('an undelete that cannot be meant so, or finds nobody, brings nobody back', async t => {
  const directory = cellar('old-1');
  const run = await operator(t, directory);
  await run(...prune, '--yes');
  const rows: [args: string[], code: number, stderr: RegExp][] = [
    [[], 64, /^Error: node undelete needs the whole ids of nodes, or --deleted-since\nHint: .*--deleted/],
    [['old-1', '--deleted-since=10m'], 64, /^Error: ids of nodes and --deleted-since cannot be given/],
    [['--deleted-since', '10m'], 64, /^Error: node undelete --deleted-since needs --yes where nobody/],
    [['--deleted-since', 'soon', '--yes'], 64, /^Error: --deleted-since.* 10m/],
    [['old'], 1, /^Error: node not found: old\n/],
    [['lately'], 1, /^Error: node lately is on the roll, so there is nothing to bring back\n/],
  ];
  await Promise.all(
    rows.map(async ([args, code, stderr]) => {
      const outcome = await run('undelete', ...args);
      assert.deepEqual([outcome.code, outcome.stdout], [code, ''], args.join(' '));
      assert.match(outcome.stderr, stderr);
    }),
  );
  assert.ok(directory.gone.has('old-1'));
  assert.equal((await run('undelete', '--deleted-since', '10m', '--yes')).code, 0);
  const nobody = await run('undelete', '--deleted-since', '10m', '--yes');
  assert.match(nobody.stderr, /^Error: no node was deleted or forgotten within 10m\nHint: /);
  assert.equal(nobody.code, 1);
});

test('those that were heard meanwhile stay, and the command that is printed tries what else failed again', async t => {
  const ids = Array.from({ length: 40 }, (_, index) => `old-${index}`);
  const directory = cellar(...ids);
  const run = await operator(t, directory);
  const forget = directory.forget.bind(directory);
  directory.forget = async (name, decision) => {
    const found = directory.nodes.get(name);
    if (name === 'old-0') throw new MusterError('failed', 'the disk is full');
    if (found && Number(name.slice(4)) % 2 === 1) found.silence = Number(name.slice(4)) * 1_000;
    await forget(name, decision);
  };
  const { code, stdout, stderr } = await run(...prune, '--yes', '-m', 'too old');
  assert.deepEqual([code, stdout.trimEnd().split('\n').length], [1, 19]);
  assert.match(stderr, /^Error: 21 of 40 nodes were not forgotten$/m);
  assert.match(stderr, /^ {2}20 × node ID was heard within the last 30 days$/m);
  const again = /^Hint: {2}to try the others again: muster (.*)$/m.exec(stderr)?.[1];
  assert.equal(again, "node prune --silent-for=30d --yes --message='too old'");
  assert.equal(directory.gone.size, 19);
});

test('labels that were too many to be kept are told when a node comes back, and in its description', async t => {
  const directory = cellar('old-1', 'old-2', 'old-3');
  for (const id of ['old-1', 'old-2']) {
    const { state } = directory.nodes.get(id) ?? assert.fail();
    const Labels = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`l-${i}`, 'x'.repeat(250)]));
    directory.nodes.set(id, { ...silent, state: { ...state, Muster: { RegisteredAt: at, Labels } } });
  }
  const run = await operator(t, directory);
  const pruned = await run(...prune, '--yes');
  assert.equal(pruned.code, 0, pruned.stderr);
  const lost = 'came back without labels of the control plane, which were too many to be kept';
  const one = await run('undelete', 'old-1');
  assert.deepEqual(
    [one.stdout, one.stderr],
    ['Ok\n', `Warning: old-1 ${lost}; set them again: muster node label\n`],
  );
  const rest = await run('undelete', '--deleted-since', '1h', '--yes');
  assert.equal(rest.stderr, `Warning: old-2 ${lost}; set them again: muster node label\n`);
  for (const command of ['describe', 'explain'])
    assert.match(
      (await run(command, 'old-2')).stdout,
      /labels of the control plane were too many\s+to be kept/,
    );
  assert.doesNotMatch((await run('describe', 'old-3')).stdout, /too many/);
});

test('of a node whose tombstone was shortened, the description says what is left', () => {
  const Reason = 'sold';
  const Former = shortTombstone({
    GoneAt: at,
    Actor: 'ada',
    Reason,
    Forgotten: true,
    Membership: 'APPROVED',
  });
  const directory = cellar('old-1');
  const { state } = directory.nodes.get('old-1') ?? assert.fail();
  state.Muster = { Former };
  const shown = readNode(JSON.parse(JSON.stringify(directory.get('old-1'))));
  assert.deepEqual(formerRows(shown, new Date(at)), [
    ['was here before', 'forgotten by ada, 2026-01-01 00:00:00 UTC (0 s ago), because: sold'],
    ['', 'more is not known, because many nodes went after it'],
  ]);
});

test('the list of what is gone has what fits into a terminal, and everything in a pipe', () => {
  const gone: GoneNode = {
    NodeID: '7c1d2a34-5b6e-4f70-8a91-0123456789ab',
    Membership: 'APPROVED',
    LastSeenAt: at,
    GoneAt: at,
    Actor: 'ada',
    ClaimedActor: 'root@head',
    Reason: 'its mainboard is broken, and nobody knows when another one will come',
  };
  const lines = (total: number | undefined) => {
    const table = goneTable(new Date(at), { hasHeader: true, total });
    return [...(table.add(gone) + table.end()).trimEnd().split('\n'), table.leftOut.join()];
  };
  assert.deepEqual(lines(80), [
    'ID                                    WAS       GONE             REASON',
    `${gone.NodeID}  APPROVED  deleted 0 s ago  its mainboard …`,
    'LAST HEARD,BY',
  ]);
  assert.deepEqual(lines(160), [
    'ID                                    WAS       GONE             LAST HEARD  BY             REASON',
    `${gone.NodeID}  APPROVED  deleted 0 s ago  0 s ago     ada (root@he…  its mainboard is broken, and nobody knows when another one will come`,
    '',
  ]);
  assert.match(lines(undefined)[1] ?? '', /^7c1d.* another one will come$/);
});

const lacks = await noTerminal();
test('the line by which a prune is taken back can be copied into a shell', {
  skip: lacks ?? false,
}, async t => {
  const ids = ['-dash', 'old-1', 'old-2', 'old-3-'];
  const directory = cellar(...ids);
  const { env: given } = await operator(t, directory);
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'muster'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  await chmod(join(folder, 'muster'), 0o755);
  const env = { ...given, PATH: `${folder}:${process.env.PATH}`, HOME: folder };
  const command = `muster node prune --silent-for 30d -m "it's old; \\$HOME"`;
  const terminal = new Terminal(t, `stty cols 80 rows 24; ${command}; echo "ends with $?"; sh`, {
    cwd: '/',
    env,
  });
  await terminal.shows(/Forget these 4 nodes\? \[y\/N\] $/);
  terminal.type('y\n');
  const undo = await terminal.shows(/\nTo take it back: (muster .*)\r?\n/);
  await terminal.shows(/ends with 0/);
  assert.equal(directory.gone.size, 4);
  terminal.type(`${undo.trimEnd()}; echo "ended $?"\n`);
  await terminal.shows(/ended 0\r?\n/);
  assert.deepEqual(idsOf(directory), [...others, ...ids].sort());
});
