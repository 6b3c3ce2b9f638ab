// Tests which reports an agent sends in each phase of its registration.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeErrorResponse, encodeRegisterResponse, reasons } from '../../../agent/protocol/answers.ts';
import { accepting, answeringRequester, bacalhau, node, type Reply, refusing } from '../agent-bench.ts';
import { startedTo } from './started.ts';

const hour = 3_600_000;

describe('in each phase', () => {
  const rows: [phase: string, reply: Reply, all: boolean, beats: boolean, updates: number][] = [
    ['pending', accepting('PENDING'), true, true, 2],
    ['approved', accepting('APPROVED'), true, true, 2],
    ['registered', bacalhau, true, true, 2],
    // A rejected node asks whether it still is, later each time.
    ['rejected', refusing('rejected'), false, true, 7],
    ['refused', refusing('unavailable'), false, false, 0],
  ];
  for (const [phase, reply, all, beats, updates] of rows) {
    test(`a node that is ${phase} sends ${all ? 'all reports' : beats ? 'only heartbeats' : 'no reports'}`, async () => {
      const bench = await startedTo(phase, reply);
      bench.forget();
      await bench.clock.advance(120_000);
      assert.equal(bench.agent.status().state, phase);
      assert.equal(bench.count('UpdateResources/v1'), all ? 4 : 0);
      assert.equal(bench.count('UpdateNodeInfo/v1'), updates);
      assert.equal(bench.beats.length, beats ? 8 : 0);
      await bench.agent.stop();
    });
  }

  test('a deleted node sends nothing at all', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.reply = refusing('deleted');
    await bench.clock.advance(30_000);
    await bench.until('deleted', () => bench.agent.status().state === 'deleted');
    await bench.until('logged', () => bench.messages('warn').length > 0);
    assert.equal(await bench.sentinel(), undefined);
    bench.forget();
    await bench.clock.advance(hour);
    assert.deepEqual([bench.requests, bench.beats], [[], []]);
    await bench.agent.stop();
    assert.equal(bench.asked, '', 'a deleted node sends no leave request');
  });

  test('the heartbeats of a node that was rejected when it registered carry the session of the refusal', async () => {
    const bench = await startedTo('rejected', refusing('rejected'));
    await bench.clock.advance(60_000);
    assert.deepEqual(new Set(bench.beats.map(beat => beat.session)), new Set(['s-r']));
    await bench.agent.stop();
  });

  test('the heartbeats of a node that is rejected later go on, and all reports come back with an approval', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.reply = refusing('rejected');
    await bench.clock.advance(31_000);
    bench.forget();
    await bench.clock.advance(60_000);
    assert.deepEqual(new Set(bench.beats.map(beat => beat.session)), new Set(['s-1']));
    bench.reply = accepting('APPROVED');
    await bench.clock.advance(120_000);
    assert.equal(bench.agent.status().state, 'approved');
    assert.equal(bench.beats.at(-1)?.session, 's-1');
    assert.ok(bench.count('UpdateResources/v1') > 0);
    await bench.agent.stop();
  });

  test('a node that an orchestrator of Bacalhau from 1.6 on rejected stays rejected, asks by registering, and comes back', async () => {
    const bench = await startedTo('registered', bacalhau);
    // Such an orchestrator takes the information also of a rejected node.
    const rejecting: Reply = request => {
      if (request.method === 'RegisterNode/v1') return encodeRegisterResponse(false, reasons.rejected);
      if (request.method === 'UpdateNodeInfo/v1') return bacalhau(request);
      return encodeErrorResponse(reasons.handshakeRequired(node));
    };
    bench.reply = rejecting;
    await bench.clock.advance(31_000);
    await bench.until('rejected', () => bench.agent.status().state === 'rejected');
    bench.forget();
    for (let minute = 0; minute < 10; minute++) {
      await bench.clock.advance(60_000);
      assert.equal(bench.agent.status().state, 'rejected');
    }
    assert.match(bench.asked, /^(RegisterNode ?)+$/);
    assert.ok(bench.requests.length < 20, bench.asked);
    assert.deepEqual([bench.beats, bench.messages('warn'), bench.messages('info')], [[], [], []]);
    bench.reply = bacalhau;
    await bench.clock.advance(120_000);
    assert.equal(bench.agent.status().state, 'registered');
    assert.ok(bench.beats.length > 0);
    await bench.agent.stop();
  });

  test('when the store was lost, the node registers at once and sends a heartbeat under the new session at once', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.forget();
    let lost = true;
    bench.reply = request => {
      if (request.method === 'RegisterNode/v1') lost = false;
      return lost
        ? refusing('handshake_required')(request)
        : accepting('PENDING', { Session: 's-2' })(request);
    };
    await bench.clock.advance(30_000);
    assert.match(bench.asked, /^UpdateResources RegisterNode/);
    const beat = bench.beats.at(-1);
    assert.deepEqual([beat?.at, beat?.session], [30_000, 's-2']);
    assert.equal(bench.agent.status().state, 'pending');
    await bench.until('written', () => bench.messages('info').includes('pending approval'));
    assert.equal((await bench.sentinel())?.session, 's-2');
    await bench.agent.stop();
  });
});

test('a new requester of the same cluster is shown, and a requester of another cluster voids the registration', async () => {
  const bench = await startedTo('approved', accepting('APPROVED'));
  bench.reply = accepting('APPROVED', { RequesterID: 'node-00' });
  await bench.clock.advance(30_000);
  assert.equal(bench.agent.status().requester, 'node-00');
  bench.forget();
  const other = answeringRequester({ ClusterID: 'c-2', Membership: 'PENDING', Session: 's-2' });
  bench.reply = () => encodeRegisterResponse(true, '', other);
  await bench.clock.advance(30_000);
  assert.match(bench.asked, /RegisterNode/);
  assert.deepEqual([bench.agent.status().cluster, bench.agent.status().state], ['c-2', 'pending']);
  await bench.until('written', () => bench.messages('info').includes('pending approval'));
  assert.equal((await bench.sentinel())?.cluster, 'c-2');
  await bench.agent.stop();
});
