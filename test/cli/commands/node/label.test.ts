// Labels nodes as an operator does: the real program asks a real API over a fake directory.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { cluster, node, serve } from '../../../requester/api/api-fixture.ts';
import { at } from '../../../requester/samples.ts';
import type { FakeDirectory } from '../../../support/fake-directory.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { muster } from '../../program.ts';

async function operator(t: TestContext, directory: FakeDirectory) {
  const api = await serve(t, directory);
  const env = { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester };
  return (...args: string[]) => muster(t, ['node', ...args], { env });
}

const labelsOf = (directory: FakeDirectory, id: string) => directory.get(id).Info.Labels;

test('labels are set on several nodes and on a selection, shown with their origin, and removed', async t => {
  const directory = cluster();
  for (const id of ['b7-1', 'b7-']) directory.nodes.set(id, node(id, { labels: { rack: 'b6' } }));
  const run = await operator(t, directory);
  const one = await run('label', 'b7-', 'site=fra', '-m', 'new hall');
  assert.deepEqual([one.code, one.stdout, one.stderr], [0, 'Ok\n', '']);
  const all = await run('label', '--labels', 'rack=b6', '--yes', 'rack=b7', 'site=fra');
  assert.deepEqual([all.code, all.stdout.split('\n').sort()], [0, ['', 'b7-1: labelled', 'b7-: labelled']]);
  assert.deepEqual(labelsOf(directory, 'b7-'), { rack: 'b7', site: 'fra' });
  const { stdout: text } = await run('describe', 'b7-');
  assert.match(text, /^ {2}rack +b7\n +set by tester.*; the\s+node itself says b6$/m);
  assert.match(text, /^ {2}site +fra\n +set by tester.*reason:\s+new hall$/m);
  const explained = await run('explain', 'b7-');
  assert.match(explained.stdout, /rack +b7 +of the control plane, by tester/);
  const again = await run('label', 'b7-1', 'nope', 'rack-', 'site=ber');
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^Error: 1 of 2 nodes was not labelled\n {2}node not found: nope\n$/m);
  assert.deepEqual(labelsOf(directory, 'b7-1'), { rack: 'b6', site: 'ber' });
  const selected = await run('label', '--labels', 'site=ber', '--yes', 'site=ber');
  assert.deepEqual([selected.code, selected.stdout], [1, '']);
  assert.match(
    selected.stderr,
    /^Error: no node is left that could be labelled\n {2}Left out \(already labelled so\): b7-1$/m,
  );
});

test('labels of a join code, which nobody set at a known time, are listed and explained', async t => {
  const directory = cluster();
  const { state } = directory.nodes.get('node-2') ?? assert.fail();
  state.Muster = { RegisteredAt: at, JoinCode: 'code-1', Labels: { rack: 'b7' } };
  const run = await operator(t, directory);
  const listed = await run('list', '--labels', 'rack=b7', '-o', 'name');
  assert.deepEqual([listed.code, listed.stdout], [0, 'node-2\n'], listed.stderr);
  for (const command of ['describe', 'explain'])
    assert.match((await run(command, 'node-2')).stdout, /rack +b7\s.*by join code code-1/);
});

for (const [args, message] of [
  [['node-1'], /^Error: node label needs labels: KEY=VALUE/],
  [
    ['node-1', 'site'],
    /^Error: node label needs labels: .*; "site" is neither\nHint: +site=VALUE sets the label site, and site- removes it$/m,
  ],
  [
    ['node-1', 'gpu type=a100'],
    /^Error: the label "gpu type" is not allowed: it has " " as character 4\nHint: {2}allowed: 1 to 63/,
  ],
  [['node-1', '_a='], /^Error: the label "_a" is not allowed: it begins with "_"/],
  [['node-1', 'a=x\ny'], /^Error: the value of a is not allowed: it has U\+000A as character 2/],
  [['node-1', 'a=1', 'a-'], /^Error: the label a is given twice/],
  [['node-1', 'a=1', 'node-2'], /^Error: "node-2" is no label; expected KEY=VALUE/],
  [['--labels', 'a=1', '--yes', 'node-2'], /^Error: "node-2" is no label/],
  [['a=1'], /^Error: node label needs the whole ids of nodes, or a selection/],
] as const)
  test(`label ${args.join(' ')} is refused`, async t => {
    const run = await operator(t, cluster());
    const { code, stderr } = await run('label', ...args);
    assert.equal(code, 64, stderr);
    assert.match(stderr, message);
  });
