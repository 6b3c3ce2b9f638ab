// Tests what an agent says first in its status: what keeps it from doing its work, and what to do about it.
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { agentTroubles } from '../../../agent/compute/agent-troubles.ts';
import { initialState } from '../../../agent/compute/registration/state.ts';
import { encodeErrorResponse, encodeRegisterResponse } from '../../../agent/protocol/answers.ts';
import { newFolder } from '../../support/temporary.ts';
import { AgentBench, accepting, answeringRequester, bacalhau, silent } from '../agent-bench.ts';
import { startedTo } from './started.ts';

const second = 1_000;

async function approved(): Promise<AgentBench> {
  const bench = new AgentBench(await newFolder(), accepting('APPROVED'));
  await bench.startTo('approved');
  return bench;
}

/** Returns the first trouble of the agent as its code and its text. */
function first({ agent }: AgentBench): [code: string, text: string] | undefined {
  const trouble = agent.status().troubles?.[0];
  return trouble && [trouble.code, trouble.text];
}

test("a rejected or deleted node shows the operator's reason", async () => {
  for (const [Code, verb, state] of [
    ['rejected', 'rejected', 'rejected'],
    ['deleted', 'deleted', 'deleted'],
  ] as const) {
    for (const [Reason, why] of [
      ['malicious node?', ': malicious node?'],
      [undefined, ''],
    ] as const) {
      const bench = await approved();
      bench.reply = () => encodeErrorResponse('in words', answeringRequester({ Code, Reason }));
      await bench.clock.advance(90 * second);
      assert.deepEqual(first(bench), [Code, `an operator ${verb} this node${why}`]);
      const status = bench.agent.status();
      assert.deepEqual([status.state, status.reason], [state, Reason ?? 'in words']);
      await bench.agent.stop();
    }
  }
});

test('a machine that is in no cluster yet and finds no broker is told how to join one', () => {
  const hintIn = (cluster: string) =>
    agentTroubles({
      node: 'node-1',
      folder: '/data/agent',
      state: { ...initialState(), cluster },
      connection: { kind: 'disconnected', fault: 'unreachable', reason: 'nothing listens', since: 0 },
      now: 0,
      silence: undefined,
      allowedSilenceMs: 0,
      fileFailure: undefined,
      stalled: undefined,
    })[0]?.hint;
  assert.match(hintIn('') ?? '', /; a machine that is in no cluster yet joins one with: muster agent join$/);
  assert.doesNotMatch(hintIn('c-1') ?? '', /join/);
});

test('an approval takes the trouble of a rejection away', async () => {
  const bench = await startedTo('pending');
  bench.reply = () =>
    encodeErrorResponse('no', answeringRequester({ Code: 'rejected', Reason: 'not ours', Session: 's-r' }));
  await bench.clock.advance(90 * second);
  assert.equal(first(bench)?.[0], 'rejected');
  bench.reply = accepting('APPROVED');
  await bench.clock.advance(300 * second);
  const { state, reason, troubles } = bench.agent.status();
  assert.deepEqual([state, reason, troubles], ['approved', undefined, undefined]);
  await bench.agent.stop();
});

test('an agent whose information is refused in unknown words shows that, goes on asking, and recovers', async () => {
  const bench = new AgentBench(await newFolder(), bacalhau);
  await bench.startTo('registered');
  // Bacalhau 1.5 takes the resources of a node whatever its store says.
  const text = 'failed to get nodestate during node registration: nats: timeout';
  bench.reply = request =>
    request.method === 'UpdateResources/v1' ? bacalhau(request) : encodeErrorResponse(text);
  await bench.clock.advance(200 * second);
  const { state, reason } = bench.agent.status();
  assert.deepEqual([state, reason], ['refused', text]);
  assert.deepEqual(first(bench), ['refused', `the requester refuses this node: ${text}`]);
  assert.ok(bench.agent.isAccepted, 'it was accepted once, so its service stays ready');
  bench.forget();
  await bench.clock.advance(120 * second);
  assert.ok(bench.count('UpdateNodeInfo/v1') >= 1);
  assert.ok(bench.beats.length > 0, 'it still shows that it is alive');
  bench.reply = bacalhau;
  await bench.clock.advance(120 * second);
  assert.deepEqual([bench.agent.status().state, first(bench)], ['registered', undefined]);
  await bench.agent.stop();
});

test('a node that Bacalhau 1.5 does not find registers again', async () => {
  const bench = new AgentBench(await newFolder(), bacalhau);
  await bench.startTo('registered');
  bench.forget();
  let isKnown = false;
  bench.reply = request => {
    if (request.method === 'RegisterNode/v1') isKnown = true;
    const text = 'failed to get nodestate during node registration: nodeInfo not found for nodeID: node-1';
    return isKnown || request.method === 'UpdateResources/v1' ? bacalhau(request) : encodeErrorResponse(text);
  };
  await bench.clock.advance(120 * second);
  assert.equal(bench.count('RegisterNode/v1'), 1);
  assert.deepEqual([bench.agent.status().state, first(bench)], ['registered', undefined]);
  await bench.agent.stop();
});

test('a requester that answers nothing for longer than it allows its nodes is a trouble', async () => {
  const bench = new AgentBench(
    await newFolder(),
    accepting('APPROVED', { NodeDisconnectedAfter: 100 * second }),
  );
  await bench.startTo('approved');
  bench.reply = silent;
  const since = bench.clock.monotonic();
  await bench.clock.advance(99 * second);
  assert.equal(first(bench), undefined);
  await bench.clock.advance(31 * second);
  assert.equal(first(bench)?.[0], 'requester_silent');
  assert.match(first(bench)?.[1] ?? '', /^the requester has not answered for \d+ /);
  assert.ok(bench.clock.monotonic() - since > 100 * second);
  assert.equal(bench.agent.status().state, 'approved');
  bench.reply = accepting('APPROVED');
  await bench.clock.advance(60 * second);
  assert.equal(first(bench), undefined);
  await bench.agent.stop();
});

test('a refusal is an answer, so the requester is not silent', async () => {
  const bench = await startedTo('pending');
  bench.reply = () =>
    encodeRegisterResponse(false, 'full', answeringRequester({ Code: 'full', NodeDisconnectedAfter: 1 }));
  await bench.clock.advance(120 * second);
  assert.equal(first(bench)?.[0], 'refused');
  await bench.agent.stop();
});

test('a broker that is away is the first trouble, and the requester is not called silent for it', async () => {
  const bench = await approved();
  bench.connection.drop();
  await bench.clock.advance(600 * second);
  assert.deepEqual(
    bench.agent.status().troubles?.map(({ code }) => code),
    ['broker_away'],
  );
  bench.connection.regain();
  assert.equal(first(bench), undefined);
  await bench.agent.stop();
});

test('a sentinel that cannot be written is a trouble until it is written', async () => {
  const folder = await newFolder();
  const bench = new AgentBench(folder, accepting('PENDING'));
  await bench.startTo('pending');
  // Nobody can write below a file that stands where the folder was, not even root.
  await rm(folder, { recursive: true });
  await writeFile(folder, '');
  bench.reply = accepting('APPROVED');
  bench.event('approved');
  await bench.until('the write fails', () => first(bench) !== undefined);
  assert.equal(first(bench)?.[0], 'folder_not_writable');
  assert.match(first(bench)?.[1] ?? '', /^the agent cannot write its files: /);
  assert.match(bench.agent.status().troubles?.[0]?.hint ?? '', new RegExp(folder));
  await rm(folder);
  await mkdir(folder);
  await bench.clock.advance(70 * second);
  await bench.until('the sentinel is written', () => first(bench) === undefined);
  await bench.agent.stop();
});
