// Runs `muster agent join` as an operator does, beside a fake agent, and tests its rules.
import assert from 'node:assert/strict';
import { access, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { askCode } from '../../../../agent/cli/commands/agent/ask-code.ts';
import { judgeStatus, waitForApproval } from '../../../../agent/cli/commands/agent/wait-for-approval.ts';
import type { AgentStatus } from '../../../../agent/compute/agent-status.ts';
import { encodeJoinCode, type JoinCode, joinToken } from '../../../../agent/protocol/join-code.ts';
import { holdFolder } from '../../../../agent/system/role-socket.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { muster, temporaryFolder } from '../../program.ts';

const code = (more: Partial<JoinCode> = {}): JoinCode => ({
  servers: ['tls://head:4222'],
  pins: [Buffer.alloc(32, 7).toString('base64url')],
  token: joinToken('abcdefgh23', Buffer.alloc(16, 1)),
  cluster: 'c-1',
  endsAt: Math.floor(Date.now() / 1_000) + 3_600,
  ...more,
});
const line = encodeJoinCode(code());

async function begin(t: TestContext) {
  const data = await temporaryFolder(t);
  const run = (input: string | undefined, args: string[] = [], env: Record<string, string> = {}) =>
    muster(t, ['agent', 'join', '--data-dir', data, ...args], {
      env,
      ...(input === undefined ? {} : { input }),
    });
  const path = join(data, 'agent', 'cluster.json');
  const read = async () => JSON.parse(await readFile(path, 'utf8'));
  const isThere = () =>
    access(path).then(
      () => true,
      () => false,
    );
  return { data, path, run, read, isThere };
}

describe('without an agent', () => {
  test('a code on standard input is stored, and the command says how to start the agent', async t => {
    const { run, read, path } = await begin(t);
    const { code: exit, stdout, stderr } = await run(`\n ${line}\n`);
    assert.deepEqual([exit, stdout], [0, 'Ok\n'], stderr);
    assert.match(
      stderr,
      /^The code is stored\. No agent runs here; one of these starts it:\n.*\n {2}muster agent\n$/,
    );
    assert.ok(!stderr.includes(line));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const known = await read();
    assert.deepEqual(
      [known.servers, known.cluster, known.codeId],
      [['tls://head:4222'], 'c-1', 'abcdefgh23'],
    );
    // The same once more changes nothing.
    assert.equal((await run(line)).code, 0);
    assert.deepEqual(await read(), known);
  });

  test('a code comes from a file or the environment too', async t => {
    const { run, isThere, data, path } = await begin(t);
    const file = join(data, 'code');
    await writeFile(file, `${line}\n`);
    for (const [args, env] of [
      [['--code-file', file], {}],
      [[], { MUSTER_JOIN_CODE: line }],
      [[], { MUSTER_JOIN_CODE_FILE: file }],
    ] as const) {
      await rm(path, { force: true });
      const outcome = await run(undefined, [...args], env);
      assert.deepEqual([outcome.code, await isThere()], [0, true], outcome.stderr);
    }
  });

  test('an agent that logs in with a token uses no code, so none is stored', async t => {
    const { run, isThere } = await begin(t);
    const { code: exit, stderr } = await run(line, [], { MUSTER_NATS_TOKEN_FILE: '/run/token' });
    assert.deepEqual([exit, await isThere()], [78, false], stderr);
    assert.match(
      stderr,
      /nats\.tokenFile is set, and an agent that logs in with it uses no join code\nHint: /,
    );
  });

  test('a bad code is called what it is, is not shown, and nothing is stored', async t => {
    const { run, isThere } = await begin(t);
    const ended = encodeJoinCode(code({ endsAt: Math.floor(Date.now() / 1_000) - 3 * 3_600 }));
    const rows: [input: string, exit: number, text: RegExp][] = [
      [line.slice(0, -5), 1, /standard input: a part of the join code is missing or was changed\nHint: /],
      [
        line.replace('muster1', 'muster3'),
        1,
        /the join code has the form 3, which this version of muster does not/,
      ],
      [
        ended,
        1,
        /the join code ended at .* UTC, 3 h ago by the clock of this machine\nHint: .*if the clock .* is wrong/,
      ],
      ['hello', 1, /this is no join code\nHint: +a join code begins with muster1/],
      ['', 64, /there is no join code on standard input\nHint: /],
    ];
    for (const [input, exit, text] of rows) {
      const outcome = await run(input);
      assert.equal(outcome.code, exit, outcome.stderr);
      assert.match(outcome.stderr, text);
      assert.ok(input.length < 10 || !outcome.stderr.includes(input), 'the code is not shown');
    }
    assert.equal(await isThere(), false);
  });

  test('a code on the command line is refused, not shown, and told to be revoked', async t => {
    const { run, isThere } = await begin(t);
    const outcome = await run(undefined, [line]);
    assert.equal(outcome.code, 64);
    assert.match(
      outcome.stderr,
      /a join code is never an argument: .*\nHint: .*muster join-code revoke abcdefgh23/,
    );
    assert.ok(!outcome.stderr.includes(line.slice(8, 40)));
    assert.equal(await isThere(), false);
  });

  test('a code of another cluster moves the node only when the operator says so', async t => {
    const { run, read } = await begin(t);
    await run(line);
    const other = encodeJoinCode(code({ cluster: 'c-2' }));
    const refused = await run(other);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /the join code is for cluster c-2, and this node is in cluster c-1\nHint: .*--move/,
    );
    assert.equal((await read()).cluster, 'c-1');
    assert.equal((await run(other, ['--move'])).code, 0);
    assert.equal((await read()).cluster, 'c-2');
  });
});

const status = (more: Partial<AgentStatus>): AgentStatus => ({
  role: 'agent',
  node: 'node-1',
  version: '0.1.0',
  pid: 1,
  state: 'registering',
  fingerprint: 'AAAA-BBBB-CCCC-DDDD',
  broker: '',
  heartbeats: 0,
  ...more,
});

test('an agent that runs takes the code, and the command waits until the node is approved', async t => {
  const { run, data, isThere } = await begin(t);
  const requests: Record<string, unknown>[] = [];
  const answers = [status({}), status({ state: 'pending' }), status({ state: 'approved', cluster: 'c-1' })];
  await mkdir(join(data, 'agent'), { recursive: true });
  const lock = await holdFolder(
    join(data, 'agent'),
    request => {
      requests.push(request as Record<string, unknown>);
      return answers.length > 1 ? answers.shift() : answers[0];
    },
    () => '',
  );
  t.after(() => lock.close());
  const outcome = await run(line, ['--wait', '--timeout', '5m']);
  assert.deepEqual([outcome.code, outcome.stdout], [0, 'Ok\n'], outcome.stderr);
  assert.match(outcome.stderr, /^The agent that runs here took the code\.\n/);
  assert.deepEqual(requests[1], { command: 'join', code: line, move: false });
  assert.equal(await isThere(), false, 'the agent writes its file itself');
});

test('a code waits for another command that writes one, and is not given to it', async t => {
  const { run, data, read } = await begin(t);
  const requests: unknown[] = [];
  await mkdir(join(data, 'agent'), { recursive: true });
  const lock = await holdFolder(
    join(data, 'agent'),
    request => {
      if (requests.push(request) === 3) setImmediate(() => void lock.close());
      return { role: 'agent', pid: 1, state: 'joining' };
    },
    () => '',
  );
  const outcome = await run(line);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.equal((await read()).codeId, 'abcdefgh23');
  assert.deepEqual(new Set(requests.map(each => JSON.stringify(each))), new Set(['{"command":"status"}']));
});

describe('the wait', () => {
  const trouble = (code: 'rejected' | 'refused' | 'key_refused' | 'broker_away', text: string) =>
    [{ code, text, hint: 'do' }] as const;

  test('ends with an approval, and fails with a rejection or a refusal', () => {
    assert.deepEqual(judgeStatus(status({ state: 'approved', cluster: 'c-1' }), 'c-1'), { kind: 'done' });
    const rejected = status({
      state: 'rejected',
      cluster: 'c-1',
      troubles: trouble('rejected', 'no: broken'),
    });
    assert.deepEqual(judgeStatus(rejected, 'c-1'), { kind: 'failed', text: 'no: broken', hint: 'do' });
    const refusal = 'code_spent';
    const refused = status({ refusal, troubles: trouble('key_refused', 'the join code is spent') });
    assert.deepEqual(judgeStatus(refused, 'c-1'), {
      kind: 'failed',
      text: 'the join code is spent',
      hint: 'do',
    });
  });

  test('goes on while something may still happen, and says what', () => {
    const texts = [
      undefined,
      status({}),
      status({ state: 'pending', cluster: 'c-1' }),
      status({ troubles: trouble('broker_away', 'broker unreachable for 3 s') }),
      status({ refusal: 'unavailable', troubles: trouble('key_refused', 'not stored') }),
      // What another cluster said of the node means nothing.
      status({ state: 'approved', cluster: 'c-2' }),
      status({ state: 'rejected', cluster: 'c-2', troubles: trouble('rejected', 'x') }),
    ].map(each => {
      const step = judgeStatus(each, 'c-1');
      return step.kind === 'wait' ? step.text : step.kind;
    });
    assert.deepEqual(texts, [
      'waiting for an agent to start on this machine',
      'waiting for the requester to register node node-1',
      'waiting for approval of node node-1; on the requester: muster node approve node-1 --fingerprint AAAA-BBBB-CCCC-DDDD',
      'broker unreachable for 3 s',
      'not stored',
      'waiting for the requester to register node node-1',
      'x',
    ]);
  });

  test('says each thing once, and ends at its time', async () => {
    const clock = new FakeClock();
    const told: string[] = [];
    const waiting = waitForApproval({
      ask: async () => status({ state: 'pending' }),
      cluster: 'c-1',
      clock,
      timeoutMs: 60_000,
      tell: text => told.push(text),
    });
    const failed = assert.rejects(
      waiting,
      /^MusterError: not approved within 1m: waiting for approval of node node-1/,
    );
    await clock.advance(70_000);
    await failed;
    assert.equal(told.length, 1);
  });
});

test('a person at a terminal is asked for the code, once, and may leave without one', async () => {
  const asked: string[] = [];
  const at = (text: string) => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    input.end(text);
    return askCode({
      file: undefined,
      join: { code: undefined, codeFile: undefined },
      input: input as unknown as NodeJS.ReadStream,
      ask: question => asked.push(question),
      now: new Date(),
    });
  };
  assert.equal((await at(`${line}\nmore\n`)).line, line);
  assert.equal(asked.length, 1);
  await assert.rejects(at(''), /there is no join code on standard input/);
});
