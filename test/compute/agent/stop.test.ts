// Tests how an agent stops: it says goodbye to a muster requester, and leaves nothing running.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeErrorResponse } from '../../../agent/protocol/answers.ts';
import { newFolder } from '../../support/temporary.ts';
import { AgentBench, accepting, bacalhau, refusing, silent } from '../agent-bench.ts';
import { startedTo } from './started.ts';

const hour = 3_600_000;

describe('a stop', () => {
  const requestsOfStop = async (bench: AgentBench): Promise<string> => {
    bench.forget();
    await bench.agent.stop();
    return bench.asked;
  };

  test('sends a leave request to a muster requester, under the session', async () => {
    for (const [phase, reply, session] of [
      ['pending', accepting('PENDING'), 's-1'],
      ['approved', accepting('APPROVED'), 's-1'],
      ['rejected', refusing('rejected'), 's-r'],
    ] as const) {
      const bench = await startedTo(phase, reply);
      assert.equal(await requestsOfStop(bench), 'Leave', phase);
      assert.equal(bench.requests[0]?.sender?.Session, session);
    }
  });

  test('sends no leave request to Bacalhau, before an acceptance, or without a broker', async () => {
    assert.equal(await requestsOfStop(await startedTo('registered', bacalhau)), '');
    assert.equal(await requestsOfStop(await startedTo('refused', refusing('unavailable'))), '');
    const bench = await startedTo('pending');
    bench.broker.stop();
    assert.equal(await requestsOfStop(bench), '');
  });

  test('sends a leave request although the last answer was a refusal that named no muster requester', async () => {
    const bench = await startedTo('pending');
    bench.reply = () => encodeErrorResponse('the requester is busy; try again');
    await bench.clock.advance(30_000);
    bench.reply = accepting();
    assert.equal(await requestsOfStop(bench), 'Leave');
  });

  test('sends no leave request when a Bacalhau requester has taken over', async () => {
    const bench = await startedTo('pending');
    bench.reply = bacalhau;
    await bench.clock.advance(30_000);
    assert.equal(await requestsOfStop(bench), '');
  });

  test('waits for the answer to its leave request for less than a second', async () => {
    const bench = await startedTo('pending');
    bench.reply = silent;
    const stop = bench.agent.stop();
    await bench.clock.advance(1_000);
    await stop;
    assert.deepEqual(bench.messages('debug'), ['the leave request was not answered']);
  });

  test('ends all reports, requests and timers', async () => {
    for (const [phase, reply] of [
      ['pending', accepting()],
      ['rejected', refusing('rejected')],
      ['refused', refusing('unavailable')],
      ['registered', bacalhau],
    ] as const) {
      const bench = await startedTo(phase, reply);
      await bench.clock.advance(100_000);
      bench.event('approved');
      await bench.agent.stop();
      assert.equal(bench.clock.pending, 0, phase);
      bench.forget();
      bench.event('approved');
      bench.broker.stop();
      bench.broker.start();
      await bench.clock.advance(hour);
      assert.deepEqual([bench.requests, bench.beats, bench.lines], [[], [], []], phase);
    }
  });

  test('logs nothing about reports that were on their way', async () => {
    const bench = await startedTo('registered', bacalhau);
    bench.reply = silent;
    await bench.clock.advance(60_000);
    await bench.agent.stop();
    bench.forget();
    await bench.connection.close();
    await bench.clock.advance(hour);
    assert.deepEqual(bench.lines, []);
  });

  test('does not wait for a requester that hangs', async () => {
    const bench = new AgentBench(await newFolder(), silent);
    await bench.start();
    await bench.agent.stop();
    assert.equal(bench.clock.monotonic(), 0);
  });

  test('is not undone by an answer that comes meanwhile', async () => {
    const bench = await startedTo('rejected', refusing('rejected'));
    bench.reply = silent;
    await bench.clock.advance(1_000);
    const stop = bench.agent.stop();
    bench.reply = accepting('APPROVED');
    await bench.clock.advance(10_000);
    await stop;
    bench.forget();
    await bench.clock.advance(hour);
    assert.deepEqual([bench.requests, bench.beats, bench.clock.pending], [[], [], 0]);
  });
});
