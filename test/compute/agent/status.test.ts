// Tests what the agent shows of itself: to an operator by its status, and to a watchdog.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { statusText } from '../../../agent/cli/commands/status-text.ts';
import { version } from '../../../agent/system/version.ts';
import { seededRandom } from '../../support/steady-random.ts';
import { newFolder } from '../../support/temporary.ts';
import { AgentBench, accepting, node, refusing, silent } from '../agent-bench.ts';
import { startedTo } from './started.ts';

test('the status shows the state of the registration, the broker and the reports', async () => {
  const bench = new AgentBench(await newFolder(), refusing('unavailable'), seededRandom(1));
  await bench.start();
  await bench.until('refused', () => bench.agent.status().reason !== undefined);
  const before = bench.agent.status();
  assert.deepEqual(before, {
    role: 'agent',
    node,
    version,
    pid: 7,
    state: 'refused',
    reason: 'unavailable, in words',
    troubles: [
      {
        code: 'refused',
        text: 'the requester refuses this node: unavailable, in words',
        hint: "the agent goes on asking; the requester's log says more",
      },
    ],
    fingerprint: 'ABCD-EFGH',
    cluster: undefined,
    requester: undefined,
    broker: 'connected to fake://',
    lastHeartbeat: undefined,
    heartbeats: 0,
    lastAcknowledged: undefined,
    address: undefined,
    schedulable: undefined,
    cordon: undefined,
    conditions: undefined,
    refusal: undefined,
  });
  bench.reply = accepting('APPROVED');
  await bench.clock.advance(60_000);
  const { state, reason, cluster, requester, heartbeats, lastHeartbeat, lastAcknowledged } =
    bench.agent.status();
  assert.deepEqual([state, reason, cluster, requester], ['approved', undefined, 'c-1', 'node-0']);
  assert.ok(heartbeats >= 4);
  for (const time of [lastHeartbeat, lastAcknowledged]) assert.match(time ?? '', /^2026-01-01T00:00:/);
  assert.equal(bench.agent.status().unconfirmed, undefined);
  bench.broker.stop();
  assert.equal(bench.agent.status().broker, 'the broker at fake:// is stopped');
  assert.equal(bench.agent.status().unconfirmed, true, 'nobody knows what was decided meanwhile');
  await bench.connection.close();
  assert.equal(bench.agent.status().broker, 'closed');
  await bench.agent.stop();
});

test('a node that lost its connection shows its state as an earlier one, until the requester has answered again', async () => {
  const bench = await startedTo('approved', accepting('APPROVED'));
  const shown = () => statusText(bench.agent.status());
  assert.match(shown(), /^ +state +approved$/m);
  bench.connection.drop();
  assert.match(
    shown().replace(/\s+/g, ' '),
    / state approved, as of \d+ \w+ ago: the requester has not confirmed it since /,
  );
  bench.reply = silent;
  bench.connection.regain();
  await bench.clock.advance(2_000);
  assert.match(shown(), /approved, as of /, 'who is let in only to be refused is connected too');
  bench.reply = refusing('rejected');
  await bench.clock.advance(60_000);
  assert.match(shown(), /^ +state +rejected/m);
  await bench.agent.stop();
});

describe('for a watchdog', () => {
  test('no outage of broker, requester or machine counts as a stall, even after hours', async () => {
    const bench = await startedTo('pending');
    const pass = async (what: string) => {
      for (let minute = 0; minute < 120; minute++) {
        await bench.clock.advance(60_000);
        assert.equal(bench.agent.stalled, undefined, what);
      }
    };
    bench.reply = silent;
    await pass('a requester that does not answer');
    bench.connection.drop();
    await pass('a broker that is away');
    bench.connection.regain();
    bench.reply = refusing('rejected');
    await pass('rejected');
    assert.equal(bench.agent.status().state, 'rejected');
    bench.reply = refusing('deleted');
    await pass('deleted');
    bench.machineFault = new Error('EIO');
    bench.reply = accepting('APPROVED');
    bench.agent.register();
    await pass('a machine that cannot be read');
    await bench.clock.stall(7_200_000);
    assert.equal(bench.agent.stalled, undefined);
    await bench.agent.stop();
    await bench.clock.advance(7_200_000);
    assert.equal(bench.agent.stalled, undefined);
  });

  test('a request that never ends is a stall, and the reports that wait for it are named', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.connection.request = () => new Promise(() => undefined);
    await bench.clock.advance(60_000);
    assert.equal(bench.agent.stalled, undefined);
    await bench.clock.advance(60_000);
    assert.equal(bench.agent.stalled, 'information, resources');
  });
});
