// An event that a decision led to makes the agent ask its requester, and does nothing else.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { accepting, refusing } from '../agent-bench.ts';
import { startedTo } from './started.ts';

const hour = 3_600_000;

describe('events', () => {
  test('an approval reaches the node at once', async () => {
    const bench = await startedTo('pending');
    bench.reply = accepting('APPROVED');
    await bench.clock.advance(5_000);
    bench.event('approved');
    await bench.clock.advance(0);
    assert.equal(bench.agent.status().state, 'approved');
    assert.equal(bench.clock.monotonic(), 5_000);
    await bench.until('written', () => bench.messages('info').includes('approved'));
    assert.ok((await bench.sentinel())?.approvedAt);
    await bench.agent.stop();
  });

  test('a rejected node that is approved asks at once', async () => {
    const bench = await startedTo('rejected', refusing('rejected'));
    await bench.clock.advance(hour);
    bench.forget();
    bench.reply = accepting('APPROVED');
    bench.event('approved');
    await bench.clock.advance(0);
    assert.match(bench.asked, /^UpdateNodeInfo/);
    assert.equal(bench.agent.status().state, 'approved');
    await bench.agent.stop();
  });

  test('an event changes nothing by itself, whatever it says', async () => {
    const bench = await startedTo('pending');
    for (const kind of ['approved', 'rejected', 'deleted']) {
      for (const data of [
        '',
        '{}',
        'nonsense',
        '\u0000'.repeat(100_000),
        '{"data":{"current":{"membership":"APPROVED"}}}',
      ])
        bench.event(kind, data);
    }
    await bench.clock.advance(10_000);
    assert.equal(bench.agent.status().state, 'pending');
    assert.ok(bench.count('UpdateNodeInfo/v1') >= 1);
    await bench.agent.stop();
  });

  test('an event that the node itself led to, or that is about another node, leads to no request', async () => {
    const bench = await startedTo('pending');
    bench.forget();
    for (const kind of ['registered', 'updated', 'healthy', 'unhealthy', 'unknown', 'left', 'conflict'])
      bench.event(kind);
    for (const subject of [
      'node.events.node-10.approved',
      'node.events.node-1.x.approved',
      'node.events.approved',
    ])
      bench.broker.inject(subject, '{}');
    await bench.clock.advance(1_000);
    assert.equal(bench.asked, '');
    await bench.agent.stop();
  });

  // A node that is not accepted asks only when its own wait is over.
  for (const [phase, reply, apart] of [
    ['pending', accepting(), 1],
    ['rejected', refusing('rejected'), 1],
    ['refused', refusing('unavailable'), 5],
  ] as const) {
    test(`a flood of forged events makes a node that is ${phase} ask at most once in ${apart} s`, async () => {
      const bench = await startedTo(phase, reply);
      // With rare reports only the events lead to requests.
      bench.settings.infoUpdateFrequency = bench.settings.resourceUpdateFrequency = 7 * 24 * hour;
      bench.agent.reload();
      await bench.clock.advance(200_000);
      bench.forget();
      const start = bench.clock.monotonic();
      for (let n = 0; n < 400; n++) {
        for (const kind of ['approved', 'rejected', 'deleted']) bench.event(kind);
        await bench.clock.advance(50 + (n % 7) * 3);
      }
      const seconds = (bench.clock.monotonic() - start) / 1_000;
      const asked = bench.requests.map(each => each.at);
      assert.ok(asked.length <= seconds / apart + 2, `${asked.length} in ${seconds} s`);
      assert.equal(bench.agent.status().state, phase);
      if (phase === 'pending') {
        const waits = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
        assert.ok(Math.min(...waits) > 999, String(waits));
        assert.ok(asked.length >= seconds - 1, 'but it does ask');
      }
      await bench.agent.stop();
    });
  }
});
