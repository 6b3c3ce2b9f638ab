// Tests `node list --watch`: what it says of each change, what a terminal shows, and that it outlives its requester.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListChanges } from '../../../../agent/cli/commands/node/list-changes.ts';
import { ListScreen } from '../../../../agent/cli/commands/node/list-screen.ts';
import { factsOf } from '../../../../agent/output/node-columns.ts';
import type { ListedNode } from '../../../../agent/protocol/listed-node.ts';
import type { Health, Membership } from '../../../../agent/protocol/node-state.ts';
import { nodeView } from '../../../../agent/requester/directory/node-view.ts';
import { cluster, node, serve } from '../../../requester/api/api-fixture.ts';
import { computeInfo, record } from '../../../requester/samples.ts';
import { eventually } from '../../../support/eventually.ts';
import { muster, start } from '../../program.ts';

const began = Date.parse('2026-01-01T12:00:00Z');

/** Returns a node whose key is checked. `silenceMs` is undefined when the requester never heard it. */
function listed(
  id: string,
  health: Health,
  silenceMs?: number,
  conditions: string[] = [],
  membership: Membership = 'APPROVED',
): ListedNode {
  const Conditions = conditions.map(Type => ({ Type, Reason: '', Since: '2026-01-01T11:00:00Z' }));
  const state = record(id, membership, { Info: { ...computeInfo(id), Conditions } });
  return nodeView(state, health, silenceMs, undefined, undefined, undefined, 'N-key');
}

/** Returns the lines of each look, without their times. The looks are some seconds apart. */
function looks(changes: ListChanges, ...lists: ListedNode[][]): string[][] {
  return lists.map((nodes, index) => {
    const facts = factsOf(nodes, new Date(began + index * 5_000));
    return changes.next(nodes, facts).map(line => line.replace(/^\S+ {2}/, ''));
  });
}

test('each change of a node is told once, and the passing of time is none', () => {
  const lists = [
    [listed('n-1', 'HEALTHY', 100, [], 'PENDING'), listed('n-2', 'HEALTHY', 100)],
    [listed('n-1', 'HEALTHY', 100), listed('n-2', 'UNHEALTHY', 40_000, ['GpuMissing'])],
    [listed('n-1', 'HEALTHY', 900), listed('n-2', 'UNHEALTHY', 900_000, ['GpuMissing'])],
    [listed('n-2', 'HEALTHY', 10), listed('node-3', 'HEALTHY', 10, ['DiskFull'])],
  ];
  assert.deepEqual(looks(new ListChanges(), ...lists), [
    ['n-1  is PENDING, HEALTHY', 'n-2  is APPROVED, HEALTHY'],
    ['n-1  PENDING -> APPROVED', 'n-2  HEALTHY -> UNHEALTHY, note: GpuMissing, silent'],
    [],
    [
      'n-2     UNHEALTHY -> HEALTHY, note: none',
      'node-3  is new: APPROVED, HEALTHY, DiskFull',
      'n-1     is gone from the list',
    ],
  ]);
});

test('a requester that started anew has heard nobody yet, which is no change of the nodes', () => {
  const changes = new ListChanges();
  const well = [listed('n-1', 'HEALTHY', 100), listed('n-2', 'HEALTHY', 100)];
  looks(changes, well);
  changes.onBack(new Date(began));
  const unheard = [listed('n-1', 'UNKNOWN'), listed('n-2', 'UNKNOWN')];
  assert.deepEqual(looks(changes, unheard, well), [[], []]);
  // One that is not heard for long is told.
  const late = new Date(began + 61_000);
  const lines = changes.next(unheard, factsOf(unheard, late));
  assert.match(lines[0] ?? '', /^2026-01-01T12:01:01.000Z {2}n-1 {2}HEALTHY -> UNKNOWN, note: never heard$/);
});

test('a terminal shows the list in the place of the one before, and no more than fits', () => {
  const screen = new ListScreen();
  const nodes = Array.from({ length: 9 }, (_, index) => listed(`node-${index}`, 'HEALTHY', 100));
  const look = { isWide: false, hasHeader: true };
  const draw = (some: ListedNode[], rows: number, columns = 80) =>
    screen.draw(some, factsOf(some, new Date(began)), look, `${some.length} nodes`, { columns, rows });
  assert.equal(
    draw(nodes.slice(0, 2), 24),
    'ID      TYPE     APPROVAL  STATUS\nnode-0  Compute  APPROVED  HEALTHY\nnode-1  Compute  APPROVED  HEALTHY\n2 nodes\n',
  );
  assert.equal(
    draw(nodes, 5),
    '\u001b[4A\u001b[JID      TYPE     APPROVAL  STATUS\nnode-0  Compute  APPROVED  HEALTHY\nnode-1  Compute  APPROVED  HEALTHY\n7 more below; 9 nodes\n',
  );
  for (const line of draw(nodes, 24, 20).split('\n').slice(1)) assert.ok(line.length <= 20, line);
});

test('without a terminal there is a line a change, also after the requester was away', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const { child, outcome } = await start(t, ['node', 'list', '--watch', '--api-port', String(api.port)]);
  const printed = (pattern: RegExp) => eventually(String(pattern), () => pattern.test(outcome.stdout));
  await printed(/node-3 {2}is PENDING, HEALTHY, unverified\n$/);
  directory.nodes.set('node-4', node('node-4'));
  await printed(/node-4 {2}is new: APPROVED, HEALTHY, unverified\n$/);
  await api.stop();
  await eventually('the outage is told', () => outcome.stderr !== '');
  directory.nodes.delete('node-1');
  await serve(t, directory, { port: api.port });
  await printed(/node-1 {2}is gone from the list\n$/);
  child.kill('SIGINT');
  assert.match(
    outcome.stderr,
    /^Warning: no requester answers at \S+; the watch goes on when it answers\nthe requester at \S+ answers\n$/,
  );
  assert.equal(outcome.stdout.trimEnd().split('\n').length, 6);
});

test('a format for scripts cannot be watched, and the error names what can', async t => {
  const { code, stderr } = await muster(t, ['node', 'list', '-w', '-o', 'json']);
  assert.equal(code, 64);
  assert.match(
    stderr,
    /^Error: --watch and --output json exclude each other\nHint: {2}a script reads changes with: muster events/,
  );
});
