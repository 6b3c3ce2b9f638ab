// Renames nodes as an operator does: the real program asks a real API over a fake directory.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { encodePublicKey } from '../../../../agent/protocol/nkey.ts';
import { cluster, serve } from '../../../requester/api/api-fixture.ts';
import type { FakeDirectory } from '../../../support/fake-directory.ts';
import { tokens } from '../../../support/fake-operators.ts';
import { muster } from '../../program.ts';

async function operator(t: TestContext) {
  const directory = cluster();
  const { state } = directory.nodes.get('node-2') ?? assert.fail();
  state.Muster = { ...state.Muster, PublicKey: encodePublicKey(Buffer.alloc(32, 1)) };
  state.Info = { ...state.Info, Agent: { Version: '1.0.0', TakesID: true } };
  const api = await serve(t, directory);
  const env = { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.tester };
  const run = (...args: string[]) => muster(t, ['node', ...args], { env });
  return { directory, run };
}

const ids = (directory: FakeDirectory) => [...directory.nodes.keys()].sort();

test('a node gets another id, with a reason, and its page names the former one', async t => {
  const { directory, run } = await operator(t);
  const { code, stdout, stderr } = await run('rename', 'node-2', 'gpu-7', '-m', 'rack\nthree');
  assert.deepEqual([code, stdout, stderr], [0, 'Ok\n', '']);
  assert.deepEqual(ids(directory), ['gpu-7', 'node-0', 'node-1', 'node-3']);
  const described = await run('describe', 'gpu-7');
  assert.match(
    described.stdout,
    /former ids +node-2, renamed by tester[\s\S]*, because:\s+rack\\u000athree\n/,
  );
});

for (const [args, expected, message] of [
  [['node-2'], 64, /^Error: node rename needs the id that it gets\n/],
  [[], 64, /^Error: node rename needs /],
  [['node-2', 'gpu-7', 'gpu-8'], 64, /^Error: unexpected argument: gpu-8\n/],
  [['node-2', ''], 64, /^Error: an argument is empty\n/],
  [['node-2', '-x'], 64, /^Error: unknown flag: -x\n/],
  [['node-2', 'gpu.7'], 64, /^Error: "gpu\.7" is no id of a node\nHint: +an id is 1 to 128 letters, digits/],
  [['node-2', '\u001b[31m'], 64, /^Error: "\\u001b\[31m" is no id of a node\n/],
  [['node-2', 'x'.repeat(129)], 64, /^Error: "x+…" is no id of a node\n/],
  [['node-2', 'gpu-7', '-m', 'x'.repeat(1025)], 64, /1024/],
  [['node-2', 'node-2'], 1, /^Error: node node-2 has this id already\n/],
  [
    ['node-2', 'node-1'],
    1,
    /^Error: the id node-1 is taken: there is a node of this id\nHint: +choose another/,
  ],
  [['node-1', 'gpu-7'], 1, /^Error: node node-1 has no key that the requester checks/],
  [['node-0', 'gpu-7'], 1, /^Error: node node-0 is a requester: it cannot be renamed/],
  [['nobody', 'gpu-7'], 1, /^Error: node not found: nobody\n/],
] as const)
  test(`node rename ${args.join(' ').slice(0, 40)} is refused, and nothing changes`, async t => {
    const { directory, run } = await operator(t);
    const { code, stdout, stderr } = await run('rename', ...args);
    assert.deepEqual([code, stdout], [expected, ''], stderr);
    assert.match(stderr, message);
    assert.deepEqual(ids(directory), ['node-0', 'node-1', 'node-2', 'node-3']);
  });
