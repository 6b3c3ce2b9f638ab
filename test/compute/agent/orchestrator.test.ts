// Tests what an agent does under an orchestrator of Bacalhau, and that it does none of it under a requester of muster.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { writeSentinel } from '../../../agent/compute/registration/sentinel.ts';
import { encodeErrorResponse, encodeRegisterResponse } from '../../../agent/protocol/answers.ts';
import { noJobs } from '../../../agent/protocol/job-requests.ts';
import { readControlRequest } from '../../../agent/protocol/ncl.ts';
import type { Message } from '../../../agent/transport/port.ts';
import { newFolder } from '../../support/temporary.ts';
import { AgentBench, accepting, bacalhau, node, type Reply, sentinel } from '../agent-bench.ts';
import { startedTo } from './started.ts';

const orchestrator = 'n-head';
const execution = { ID: 'e-1', JobID: 'j-1', Job: { ID: 'j-1' } };

/** Sends requests to the agent as an orchestrator does, and notes what comes back. */
class Asking {
  readonly results: unknown[] = [];
  readonly #connection;

  constructor(bench: AgentBench) {
    this.#connection = bench.broker.connect();
    this.#connection.subscribe(`node.orchestrator.${orchestrator}.>`, ({ subject, data }: Message) =>
      this.results.push([subject, JSON.parse(Buffer.from(data).toString())]),
    );
  }

  /** Returns the answer; `no_responders` when nobody listens. */
  async ask(subject: string, body: unknown): Promise<string> {
    const data = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = this.#connection.request(subject, data, 1_000);
    return answer.then(
      message => Buffer.from(message.data).toString(),
      error => error.fault,
    );
  }
}

const about = (method: string) => `node.compute.${node}.${method}/v1`;
const bid = { SourcePeerID: orchestrator, TargetPeerID: node, Execution: execution, WaitForApproval: true };
const accepted = { SourcePeerID: orchestrator, TargetPeerID: node, ExecutionID: 'e-1' };

describe('asked about jobs', () => {
  test('it bids for none, and says so once', async () => {
    const bench = await startedTo('registered', bacalhau);
    const head = new Asking(bench);
    assert.equal(await head.ask(about('AskForBid'), bid), '{"value":{"ExecutionID":"e-1","JobID":"j-1"}}');
    await bench.clock.settle();
    const [[subject, result] = []] = head.results as [string, Record<string, unknown>][];
    assert.equal(subject, `node.orchestrator.${orchestrator}.OnBidComplete/v1`);
    assert.deepEqual(
      [result?.SourcePeerID, result?.TargetPeerID, result?.ExecutionID, result?.Accepted],
      [node, orchestrator, 'e-1', false],
    );
    assert.equal(
      await head.ask(about('BidAccepted'), accepted),
      JSON.stringify({ error: noJobs, value: null }),
    );
    for (const method of ['BidRejected', 'CancelExecution'])
      assert.equal(
        await head.ask(about(method), accepted),
        '{"value":{"ExecutionID":"e-1","JobID":""}}',
        method,
      );
    assert.match(
      await head.ask(about('ExecutionLogs'), 'anything'),
      /^\{"type":2,"closeError":\{"Code":5000,/,
    );
    assert.equal(await head.ask(`bacalhau.global.compute.${node}.in.msgs`, 'anything'), '{}');
    assert.equal(head.results.length, 1);
    assert.deepEqual(bench.messages('warn'), [`an orchestrator asks about jobs: ${noJobs}`]);
    await bench.agent.stop();
    assert.equal(await head.ask(about('AskForBid'), bid), 'no_responders');
  });

  test('it refuses what it cannot read, and sends nothing then', async () => {
    const bench = await startedTo('registered', bacalhau);
    const head = new Asking(bench);
    for (const body of [
      '',
      'x',
      '[]',
      { ...bid, SourcePeerID: 'a.>' },
      { Execution: execution },
      '{"a":'.repeat(99),
    ])
      assert.match(await head.ask(about('AskForBid'), body), /^\{"error":"error decoding AskForBid: /);
    bench.broker.inject(about('AskForBid'), JSON.stringify(bid));
    await bench.clock.settle();
    assert.deepEqual(head.results, []);
    await bench.agent.stop();
  });

  test('it answers a flood of requests without reading them', async () => {
    const bench = await startedTo('registered', bacalhau);
    const head = new Asking(bench);
    const answers = await Promise.all(Array.from({ length: 200 }, () => head.ask(about('AskForBid'), bid)));
    await bench.clock.settle();
    assert.equal(head.results.length, 50);
    assert.deepEqual(
      new Set(answers.slice(50)),
      new Set(['{"error":"too many requests about jobs","value":null}']),
    );
    assert.equal(bench.messages('warn').length, 1);
    await bench.agent.stop();
  });

  test('it does not listen under a requester of muster, nor after a connection was lost until an orchestrator answers', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    const head = new Asking(bench);
    assert.equal(await head.ask(about('AskForBid'), bid), 'no_responders');
    bench.reply = bacalhau;
    await bench.clock.advance(30_000);
    assert.match(await head.ask(about('AskForBid'), bid), /value/);
    bench.reply = () => undefined;
    bench.connection.drop();
    bench.connection.regain();
    await bench.clock.settle();
    assert.equal(await head.ask(about('AskForBid'), bid), 'no_responders');
    bench.reply = bacalhau;
    await bench.clock.advance(60_000);
    assert.match(await head.ask(about('AskForBid'), bid), /value/);
    bench.reply = accepting('APPROVED');
    await bench.clock.advance(60_000);
    assert.equal(await head.ask(about('AskForBid'), bid), 'no_responders');
    await bench.agent.stop();
  });
});

/** An orchestrator that accepts a registration with this reason. */
const withReason =
  (reason: string): Reply =>
  request =>
    request.method === 'RegisterNode/v1' ? encodeRegisterResponse(true, reason) : bacalhau(request);

describe('at a stop', () => {
  const noticesOf = async (phase: string, reply: Reply): Promise<string[]> => {
    const bench = await startedTo(phase, reply);
    const notices: string[] = [];
    bench.broker.connect().subscribe(`bacalhau.global.compute.${node}.out.ctrl`, message => {
      const { type, method } = readControlRequest(message.data);
      notices.push(`${type} ${method}`);
      message.respond('');
    });
    await bench.agent.stop();
    return notices;
  };

  test('an orchestrator that speaks the newer protocol is told of it, and nobody else', async () => {
    // It listens to the notice only after a handshake.
    const said = ['transport.HandshakeRequest RegisterNode/v1', 'transport.ShutdownNoticeRequest Leave/v1'];
    assert.deepEqual(await noticesOf('registered', withReason('node registered')), said);
    assert.deepEqual(await noticesOf('registered', withReason('node already registered')), []);
    assert.deepEqual(await noticesOf('approved', accepting('APPROVED')), []);
  });

  test('nobody is waited for who does not answer', async () => {
    const bench = await startedTo('registered', withReason('node registered'));
    bench.broker.connect().subscribe(`bacalhau.global.compute.${node}.out.ctrl`, () => undefined);
    const stop = bench.agent.stop();
    await bench.clock.advance(1_000);
    await stop;
  });
});

describe('an orchestrator that forgets each registration', () => {
  const keeping = withReason('');
  const forgetting: Reply = request => {
    if (request.method !== 'UpdateNodeInfo/v1') return keeping(request);
    return encodeErrorResponse(`failed to get nodestate: nodeInfo not found for nodeID: ${node}`);
  };

  test('is a trouble, is asked seldom, and is none any more when it keeps the node', async () => {
    const bench = await startedTo('registered', forgetting);
    await bench.clock.advance(600_000);
    assert.deepEqual(
      bench.agent.status().troubles?.map(({ code }) => code),
      ['not_kept'],
    );
    bench.forget();
    await bench.clock.advance(600_000);
    const registrations = bench.count('RegisterNode/v1');
    assert.ok(registrations > 0 && registrations < 8, bench.asked);
    bench.reply = keeping;
    await bench.clock.advance(300_000);
    assert.equal(bench.agent.status().troubles, undefined);
    await bench.agent.stop();
  });

  test('is none when an operator deleted the node once', async () => {
    const bench = await startedTo('registered', keeping);
    let isDeleted = true;
    bench.reply = request => {
      if (request.method === 'RegisterNode/v1') isDeleted = false;
      return isDeleted ? forgetting(request) : keeping(request);
    };
    for (let second = 0; second < 120; second++) {
      await bench.clock.advance(1_000);
      assert.equal(bench.agent.status().troubles, undefined);
    }
    assert.equal(isDeleted, false);
    await bench.agent.stop();
  });
});

describe('the heartbeats', () => {
  test('go also to the subject of all nodes as long as no answer tells the release, as after a start with a sentinel', async () => {
    const folder = await newFolder();
    await writeSentinel(folder, { ...sentinel, cluster: '', requester: '', session: '', membership: '' });
    const bench = new AgentBench(folder, bacalhau);
    await bench.startTo('registered');
    assert.equal(bench.count('RegisterNode/v1'), 0);
    assert.deepEqual(
      bench.beats.map(({ subject }) => subject),
      [`bacalhau.global.compute.${node}.out.heartbeat`, 'heartbeat'],
    );
    await bench.agent.stop();
  });

  for (const [reason, isPlainToo] of [
    ['', true],
    ['node already registered', true],
    ['node registered', false],
    ['node reconnected', false],
  ] as const) {
    test(`go ${isPlainToo ? 'also' : 'not'} to the subject of all nodes when it was accepted with "${reason}"`, async () => {
      const bench = await startedTo('registered', withReason(reason));
      await bench.clock.advance(60_000);
      const plain = bench.beats.filter(({ subject }) => subject === 'heartbeat');
      const own = bench.beats.filter(({ subject }) => subject !== 'heartbeat');
      assert.ok(own.length > 2);
      assert.deepEqual(
        plain.map(({ Sequence }) => Sequence),
        isPlainToo ? own.map(({ Sequence }) => Sequence) : [],
      );
      assert.ok(plain.every(({ enveloped }) => !enveloped));
      await bench.agent.stop();
    });
  }
});
